#!lua
--- Fire a trigger for which an invocation stands that was registered already.
--- The run is recorded and what it fired for settled, once: where a valid condition was settled for
--- this trigger or recorded anew since it was read, nothing is done.
-- @version 10
-- @key valid_conditions
-- @key valid_order
-- @key trigger_runs
-- @key trigger_run_index
-- @key events
-- @key event_index
-- @key event_links
-- @key client_data_uses
-- @key client_data_idle
-- @arg invocation_id id
-- @arg trigger_id id
-- @arg run_id id
-- @arg run_us us
-- @arg run_prefixes bytes
-- @arg run bytes
-- @arg event_ids bytes
-- @item entry_id id
-- @item version us
-- @item clears int
-- @returns OK
-- @cost O(n log N) for n valid conditions
--[[% use "lib/firing.lua" %]]
if not all_due(item_count, item, trigger_id) then
  return { "OK" }
end
local firing = {
  id = run_id,
  at_us = run_us,
  prefixes = unpack_list(run_prefixes),
  event_ids = unpack_list(event_ids),
  json = run,
}
start_writing()
settle_all(item_count, item, trigger_id)
record_run(firing, invocation_id)
return { "OK" }
