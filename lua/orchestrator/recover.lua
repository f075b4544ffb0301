#!lua
--- Put invocations that stand still back in their queue, recording each step.
--- Each is looked at again: one that moved on since it was found is left alone. Replies with those
--- that were put back, each with its task and the statuses that it went through.
-- @version 17
-- @key statuses
-- @key open
-- @key expiring
-- @key task_index
-- @key concurrency
-- @key waits
-- @key blocking
-- @key heartbeats
-- @key heartbeats_since
-- @key history
-- @key history_times
-- @key runner_contexts
-- @key context_times
-- @key condition_index
-- @key changes
-- @key queue
-- @key queued
-- @key queue_sequence
-- @key doorbell <- queue_name
-- @arg queue_name id
-- @arg context_id str
-- @arg contexts bytes
-- @arg op id
-- @arg notes int
-- @arg pending_us int
-- @arg dead_us int
-- @item invocation_id id
-- @returns OK recovered noted
-- @cost O(n log N) for n items
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/requeue.lua" %]]
--[[% use "lib/recovery_steps.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
--[[% use "lib/store_contexts.lua" %]]
--[[% use "lib/ring.lua" %]]
local now, recovered = now_us(), {}
local context_list = parse_pairs(contexts)
start_writing()
store_contexts(context_list)
for i = 1, item_count do
  local invocation_id = item(i)
  local record = read_status(invocation_id)
  if record and record.op == op then
    recovered[#recovered + 1] = { invocation_id, record.task }
  elseif record and record.queue == queue_name then
    local steps = recovery_steps(invocation_id, record, now, pending_us, dead_us)
    if steps then
      requeue(invocation_id, record, steps, context_id, notes, op)
      recovered[#recovered + 1] = { invocation_id, record.task, unpack(steps) }
    end
  end
end
ring(#recovered)
return { "OK", recovered, noted }
