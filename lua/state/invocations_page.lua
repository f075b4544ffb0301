#!lua flags=no-writes
--- Read one page of the distinct invocations that have history in a time range.
--- They come in the order of the record in it that was recorded first, with the time and member
--- that the next page goes on behind.
-- @version 5
-- @key history_times
-- @key history
-- @arg start_us us
-- @arg after_us us
-- @arg after_member bytes
-- @arg end_us us
-- @arg count count
-- @returns PAGE time member invocation_ids
-- @cost O(log² N + count), and the length of the histories
--[[% use "lib/history_page.lua" %]]
-- An invocation is listed at the record of the range that was recorded first, and at no other. Lists
-- of records only grow, so that this never changes, and no page needs to know what others held.
local function is_first(records, record)
  local start, limit = tonumber(start_us), tonumber(end_us)
  local position = 1
  while position <= #records do
    local other
    other, position = unpack_field(records, position)
    if other == record then
      return true
    end
    local time = tonumber((unpack_field(other, 1)))
    if time >= start and time <= limit then
      return false
    end
  end
  return false
end

local ids, last = {}, nil
for _, entry in ipairs(history_page(after_us, after_member, end_us, count)) do
  local _, _, invocation_id, record, records = unpack(entry)
  if record and is_first(records, record) then
    ids[#ids + 1] = invocation_id
  end
  last = entry
end
if not last then
  return { "PAGE" }
end
return { "PAGE", last[1], last[2], ids }
