#!lua flags=no-writes
--- Read events: for each its JSON and the invocations that it triggered (packed), or false.
-- @version 4
-- @key events
-- @key event_links
-- @item event_id id
-- @returns OK events
-- @cost O(n) for n items
--[[% use "lib/read_event.lua" %]]
local found = {}
for i = 1, item_count do
  local event_id = item(i)
  local fields = read_event(event_id)
  found[i] = fields and { fields[8], redis.call("HGET", event_links, event_id) or "" } or false
end
return { "OK", found }
