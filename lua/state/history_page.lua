#!lua flags=no-writes
--- Read one page of the history of all invocations, oldest first.
--- Replies with the time and member that the next page goes on behind.
-- @version 5
-- @key history_times
-- @key history
-- @arg after_us us
-- @arg after_member bytes
-- @arg end_us us
-- @arg count count
-- @returns PAGE time member entries
-- @cost O(log² N + count)
--[[% use "lib/history_page.lua" %]]
local entries, last = {}, nil
for _, entry in ipairs(history_page(after_us, after_member, end_us, count)) do
  if entry[4] then
    entries[#entries + 1] = { entry[3], entry[4] }
  end
  last = entry
end
if not last then
  return { "PAGE" }
end
return { "PAGE", last[1], last[2], entries }
