#!lua flags=no-writes
--- Read one page of the distinct invocations that have history in a time range.
--- They come in the order of their first record in it, with the time and member that the next page
--- goes on behind.
-- @version 1
-- @key history_times
-- @key history
-- @arg start_us us
-- @arg after_us us
-- @arg after_member bytes
-- @arg end_us us
-- @arg count int
-- @returns PAGE time member invocation_ids
-- @cost O(log² N + count), and the length of the histories
--[[% use "lib/history_page.lua" %]]
-- An invocation is listed at its first record of the range and at no other: no page needs to know
-- what earlier pages held.
local function is_first(records, record, at_us)
  local start, time = tonumber(start_us), tonumber(at_us)
  local position, before = 1, true
  while position <= #records do
    local other
    other, position = unpack_field(records, position)
    local other_time = tonumber((unpack_field(other, 1)))
    if other == record then
      before = false
    elseif other_time >= start and (other_time < time or (other_time == time and before)) then
      return false
    end
  end
  return true
end

local ids, last = {}, nil
for _, entry in ipairs(history_page(after_us, after_member, end_us, count)) do
  local at_us, _, invocation_id, record, records = unpack(entry)
  if record and is_first(records, record, at_us) then
    ids[#ids + 1] = invocation_id
  end
  last = entry
end
if not last then
  return { "PAGE" }
end
return { "PAGE", last[1], last[2], ids }
