#!lua
--- Submit invocations: store, register, record and queue them, all in one commit.
--- With `reuse`, nothing is stored if an invocation of the same registration concurrency key is
--- registered already: the reply names it.
-- @version 17
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
--[[% use "lib/submission.lua" %]]
--[[% use "lib/submit.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
--[[% use "lib/store_contexts.lua" %]]
--[[% use "lib/ring.lua" %]]
if reuse == 1 then
  local invocation_id, _, _, _, _, unique_key = item(1)
  local found = registered_one(unique_key)
  -- A call that is repeated must not find itself.
  if found and redis.call("HEXISTS", statuses, invocation_id) == 0 then
    return { "EXISTS", found }
  end
end
local by = { owner = owner, op = op, queue = queue_name, priority = priority }
local submissions, first_us = {}, now_us()
for i = 1, item_count do
  submissions[i] = submission(by, decimal(first_us + i - 1), item(i))
end

local context_list, found = parse_pairs(contexts), found_of(submissions, notes)
start_writing()
store_contexts(context_list)
ring(submit(submissions, found, context_id, notes))
return { "OK", noted }
