#!lua
--- Note that events triggered an invocation.
-- @version 7
-- @key events
-- @key event_index
-- @key event_links
-- @arg invocation_id id
-- @item event_id id
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/link_event.lua" %]]
start_writing()
for i = 1, item_count do
  link_event(item(i), invocation_id)
end
return { "OK" }
