#!lua flags=no-writes
--- Read one page of the history of all invocations, oldest first, with the time and member that
--- the next page goes on behind.
-- @version 1
-- @key history_times
-- @key history
-- @arg after_us us
-- @arg after_member bytes
-- @arg end_us us
-- @arg count int
-- @returns PAGE time member entries
-- @cost O(log² N + count)
--[[% use "lib/history_page.lua" %]]
local entries, last = {}, nil
local page = history_page(history_times, history, after_us, after_member, end_us, count)
for _, entry in ipairs(page) do
  local _, _, invocation_id, record = entry[1], entry[2], entry[3], entry[4]
  if record then
    entries[#entries + 1] = { invocation_id, record }
  end
  last = entry
end
if not last then
  return { "PAGE" }
end
return { "PAGE", last[1], last[2], entries }
