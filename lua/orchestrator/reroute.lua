#!lua
--- Send an invocation back to its queue.
-- @version 1
-- @key statuses
-- @key open
-- @key expiring
-- @key task_index
-- @key concurrency
-- @key waits
-- @key blocking
-- @key history
-- @key history_times
-- @key runner_contexts
-- @key queue
-- @key queued
-- @key queue_sequence
-- @key doorbell <- queue_name
-- @arg queue_name id
-- @arg priority bytes
-- @arg invocation_id id
-- @arg owner bytes
-- @arg context_id str
-- @arg contexts bytes
-- @arg op id
-- @returns OK owner time task | REFUSED status owner time | UNKNOWN
-- @cost O(log N)
--[[% use "lib/is_refused.lua" %]]
--[[% use "lib/requeue.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
--[[% use "lib/store_contexts.lua" %]]
--[[% use "lib/ring.lua" %]]
local record = read_status(invocation_id)
if not record then
  return { "UNKNOWN" }
end
if record.op ~= op then
  if is_refused(record, "rerouted", owner) then
    return { "REFUSED", record.status, record.owner, record.at_us }
  end
  local context_list = parse_pairs(contexts)
  start_writing()
  store_contexts(context_list)
  record.queue, record.priority = queue_name, priority
  requeue(invocation_id, record, { "rerouted" }, context_id, op)
  ring(1)
end
return { "OK", record.owner, record.at_us, record.task }
