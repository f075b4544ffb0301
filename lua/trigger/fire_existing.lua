#!lua
--- Fire a trigger for which an invocation stands that was registered already.
--- The run is recorded and what it fired for settled, once: where a valid condition was settled for
--- this trigger or recorded anew since it was read, nothing is done.
-- @version 1
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
--[[% use "lib/is_due.lua" %]]
--[[% use "lib/settle.lua" %]]
--[[% use "lib/put_run.lua" %]]
--[[% use "lib/link_event.lua" %]]
for i = 1, item_count do
  local entry_id, version = item(i)
  if not is_due(entry_id, version, trigger_id) then
    return { "OK" }
  end
end
start_writing()
for i = 1, item_count do
  local entry_id, _, clears = item(i)
  settle(entry_id, trigger_id, clears)
end
put_run(run_id, run_us, run_prefixes, event_ids, run)
for _, event_id in ipairs(unpack_list(event_ids)) do
  -- One that has expired meanwhile is not to leave links that nothing removes.
  if redis.call("HEXISTS", events, event_id) == 1 then
    link_event(event_id, invocation_id)
  end
end
return { "OK" }
