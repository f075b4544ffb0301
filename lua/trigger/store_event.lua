#!lua
--- Store an event in place of an older record of it.
--- `links` (packed) are invocations that it triggered; they join those that are known. The items, as
--- those of trigger/record, are the conditions that it meets: they are recorded with a new event only.
-- @version 10
-- @key events
-- @key event_index
-- @key event_links
-- @key valid_conditions
-- @key valid_order
-- @key client_data_uses
-- @key client_data_idle
-- @arg event_id id
-- @arg code str
-- @arg at_us us
-- @arg matched str
-- @arg emitter bytes
-- @arg event bytes
-- @arg links bytes
-- @item entry_id id
-- @item condition_id id
-- @item valid_condition bytes
-- @returns OK
-- @cost O(n log N) for n items and links
--[[% use "lib/link_event.lua" %]]
--[[% use "lib/record_valid.lua" %]]
--[[% use "lib/release_client_data.lua" %]]
local emitted_by = unpack_list(emitter)
local fields = { code, decimal(at_us), matched, "0" }
for i = 1, 3 do
  fields[4 + i] = emitted_by[i] or false
end
fields[8] = event
local known, link_list = read_event(event_id), unpack_list(links)
start_writing()
if known then
  unindex_event(event_id, known)
  release_client_data("event " .. event_id, known[8])
end
if redis.call("HEXISTS", event_links, event_id) == 1 then
  fields[4] = "1"
end
write_event(event_id, fields)
use_client_data("event " .. event_id, event)
for _, invocation_id in ipairs(link_list) do
  link_event(event_id, invocation_id)
end
if not known then
  for i = 1, item_count do
    record_valid(item(i))
  end
end
return { "OK" }
