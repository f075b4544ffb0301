#!lua
--- Submit invocations: store, register, record and queue them, all in one commit.
--- With `reuse`, nothing is stored if an invocation of the same registration concurrency key is
--- registered already: the reply names it.
-- @version 19
-- @key statuses read first
-- @key registered
-- @key open
-- @key task_index
-- @key concurrency read first
-- @key invocations read first
-- @key arguments
-- @key index
-- @key history read first
-- @key history_times
-- @key runner_contexts if contexts ~= ""
-- @key context_times if contexts ~= ""
-- @key condition_index read first
-- @key changes read first
-- @key queue
-- @key queued read first
-- @key queue_sequence
-- @key client_data_uses read first
-- @key doorbell <- queue_name
-- @arg queue_name id
-- @arg priority bytes
-- @arg owner bytes
-- @arg context_id str
-- @arg contexts bytes
-- @arg op id
-- @arg notes int
-- @arg reuse int
-- @item invocation_id id
-- @item record bytes
-- @item serialized_arguments bytes
-- @item task id
-- @item slot str
-- @item unique_key str
-- @item reroutes str
-- @item digests bytes
-- @returns OK noted | EXISTS invocation_id
-- @resend
-- @cost O(n log N) for n items
--[[% use "lib/look_at_submission.lua" %]]
--[[% use "lib/submit.lua" %]]
--[[% use "lib/ring.lua" %]]
if reuse == 1 then
  --[[% inline "lib/registered_one.lua" %]]
  local invocation_id, _, _, _, _, unique_key = item(1)
  local stands = registered_one(unique_key)
  -- A call that is repeated must not find itself.
  if stands and redis.call("HEXISTS", statuses, invocation_id) == 0 then
    return { "EXISTS", stands }
  end
end
local by = {
  owner = (cmsgpack.unpack(owner)),
  context_id = context_id,
  op = op,
  queue = queue_name,
  priority = priority,
}
local found = look_at_submission(item_count, item, notes)
local list
if contexts ~= "" then
  --[[% inline "lib/parse_pairs.lua" %]]
  list = parse_pairs(contexts)
end
start_writing()
if list then
  --[[% inline "lib/store_contexts.lua" %]]
  store_contexts(list)
end
ring(submit(item, found, by, notes))
return { "OK", noted }
