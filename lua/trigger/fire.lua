#!lua
--- Fire a trigger.
--- Its invocation is submitted, the run recorded and what it fired for settled, once: where a valid
--- condition was settled for this trigger or recorded anew since it was read, nothing is done (GONE).
--- With `reuse`, an invocation of the same registration concurrency key that is registered already
--- stands for the new one (EXISTS); nothing is done, and trigger/fire_existing goes on.
-- @version 21
-- @key statuses
-- @key registered
-- @key open
-- @key task_index
-- @key concurrency
-- @key invocations
-- @key arguments
-- @key index
-- @key history
-- @key history_times
-- @key runner_contexts
-- @key context_times
-- @key condition_index
-- @key changes
-- @key queue
-- @key queued
-- @key queue_sequence
-- @key client_data_uses
-- @key client_data_idle
-- @key valid_conditions
-- @key valid_order
-- @key trigger_runs
-- @key trigger_run_index
-- @key events
-- @key event_index
-- @key event_links
-- @key doorbell <- queue_name
-- @arg queue_name id
-- @arg priority bytes
-- @arg owner bytes
-- @arg context_id str
-- @arg contexts bytes
-- @arg op id
-- @arg notes int
-- @arg reuse int
-- @arg invocation_id id
-- @arg record bytes
-- @arg serialized_arguments bytes
-- @arg task id
-- @arg slot str
-- @arg unique_key str
-- @arg reroutes str
-- @arg digests bytes
-- @arg trigger_id id
-- @arg run_id id
-- @arg run_us us
-- @arg run_prefixes bytes
-- @arg run bytes
-- @arg event_ids bytes
-- @item entry_id id
-- @item version us
-- @item clears int
-- @returns OK noted | EXISTS invocation_id | GONE
-- @cost O(n log N) for n valid conditions
--[[% use "lib/look_at_submission.lua" %]]
--[[% use "lib/submit.lua" %]]
--[[% use "lib/registered_one.lua" %]]
--[[% use "lib/firing.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
--[[% use "lib/store_contexts.lua" %]]
--[[% use "lib/ring.lua" %]]
if redis.call("HEXISTS", statuses, invocation_id) == 1 then
  return { "OK", noted }
end
if not all_due(item_count, item, trigger_id) then
  return { "GONE" }
end
local function columns()
  return invocation_id, record, serialized_arguments, task, slot, unique_key, reroutes, digests
end

local by = {
  owner = (cmsgpack.unpack(owner)),
  context_id = context_id,
  op = op,
  queue = queue_name,
  priority = priority,
}
local found = look_at_submission(1, columns, notes)
local context_list = parse_pairs(contexts)
local firing = {
  id = run_id,
  at_us = run_us,
  prefixes = unpack_list(run_prefixes),
  event_ids = unpack_list(event_ids),
  json = run,
}
local stands = reuse == 1 and registered_one(unique_key)
if stands then
  return { "EXISTS", stands }
end
start_writing()
settle_all(item_count, item, trigger_id)
store_contexts(context_list)
submit(columns, found, by, notes)
record_run(firing, invocation_id)
ring(1)
return { "OK", noted }
