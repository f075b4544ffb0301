#!lua
--- Send an invocation back to its queue: `status` is rerouted, or retry, which is counted.
--- `written_us` as in orchestrator/commit_status.
-- @version 16
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
-- @key context_times
-- @key condition_index
-- @key changes
-- @key queue
-- @key queued
-- @key queue_sequence
-- @key replies
-- @key doorbell <- queue_name
-- @arg queue_name id
-- @arg priority bytes
-- @arg invocation_id id
-- @arg status id
-- @arg owner bytes
-- @arg context_id str
-- @arg contexts bytes
-- @arg consumer id
-- @arg op id
-- @arg notes int
-- @arg written_us us
-- @returns OK owner time task noted | REFUSED status owner time | UNKNOWN
-- @errors NO_WAY_BACK
-- @resend written_us <- time
-- @cost O(log N)
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/is_refused.lua" %]]
--[[% use "lib/is_known_since.lua" %]]
--[[% use "lib/requeue.lua" %]]
--[[% use "lib/last_reply.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
--[[% use "lib/store_contexts.lua" %]]
--[[% use "lib/ring.lua" %]]
if status ~= "retry" and status ~= "rerouted" then
  return fail("NO_WAY_BACK", "what goes back to its queue is retry or rerouted, not " .. status)
end
-- The next claim of another runner leaves no trace of this operation in the record.
local before = last_reply(consumer, op)
if before then
  return { "OK", before[1], before[2], before[3], noted }
end
local record = read_status(invocation_id)
if not record then
  return { "UNKNOWN" }
end
local written = written_us ~= "0" and tonumber(written_us) or nil
if is_known_since(record, written) or is_refused(record, status, (cmsgpack.unpack(owner))) then
  return { "REFUSED", record.status, pack(record.owner), record.at_us }
end
local context_list = parse_pairs(contexts)
start_writing()
store_contexts(context_list)
if status == "retry" then
  record.retries = decimal(tonumber(record.retries) + 1)
end
record.queue, record.priority = queue_name, priority
requeue(invocation_id, record, { status }, context_id, notes, op, written)
ring(1)
-- Nobody waits for the reply of one that is made again, but its consumer may for that of a claim.
if not written then
  remember_reply(consumer, op, { pack(record.owner), record.at_us, record.task })
end
return { "OK", pack(record.owner), record.at_us, record.task, noted }
