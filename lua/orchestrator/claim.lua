#!lua
--- Claim up to `count` invocations for a runner.
--- Those that others wait for come first, then the head of a queue. Each becomes pending and owned, is recorded, and comes back with its record and arguments. One
--- that running concurrency control holds back goes to the end of its queue or ends, by its task's
--- setting, and is named in the reply. `left` says whether the queue still holds something.
-- @version 1
-- @key statuses
-- @key open
-- @key expiring
-- @key task_index
-- @key concurrency
-- @key waits
-- @key blocking
-- @key invocations
-- @key arguments
-- @key history
-- @key history_times
-- @key runner_contexts
-- @key queue
-- @key queued
-- @key queue_sequence
-- @key replies
-- @key doorbell <- queue_name
-- @arg queue_name id
-- @arg count count
-- @arg awaited_first int
-- @arg owner bytes
-- @arg context_id str
-- @arg contexts bytes
-- @arg consumer id
-- @arg op id
-- @returns OK claimed held_back left
-- @cost O(count log N)
--[[% use "lib/is_refused.lua" %]]
--[[% use "lib/requeue.lua" %]]
--[[% use "lib/slot_taken.lua" %]]
--[[% use "lib/dequeue.lua" %]]
--[[% use "lib/queue_head.lua" %]]
--[[% use "lib/last_reply.lua" %]]
--[[% use "lib/runner_contexts.lua" %]]
--[[% use "lib/ring.lua" %]]
local claimed, ids, held_back, back = {}, {}, {}, {}

local function hand_out(invocation_id)
  claimed[#claimed + 1] = {
    invocation_id,
    redis.call("HGET", invocations, invocation_id),
    redis.call("HGET", arguments, invocation_id) or "",
  }
  ids[#ids + 1] = invocation_id
end

local function reply()
  return { "OK", claimed, held_back, queue_head(queue_name, 1)[1] and 1 or 0 }
end

local function hold_back(invocation_id, record)
  held_back[#held_back + 1] = invocation_id
  local status = record.reroutes == "1" and "concurrency_controlled"
    or "concurrency_controlled_final"
  if is_refused(record, status, owner) then
    status = "concurrency_controlled"
  end
  set_status(invocation_id, record, status, owner, op)
  record_status(invocation_id, record, context_id)
  if status == "concurrency_controlled" then
    back[#back + 1] = { invocation_id, record }
  end
end

-- An invocation that is not free to run any more leaves the queue and nothing else happens to it.
local function consider(invocation_id)
  local record = read_status(invocation_id)
  dequeue(invocation_id)
  if not record or not is(record.status, "available") then
    redis.call("ZREM", blocking, invocation_id)
  elseif
    slot_taken(record, invocation_id, "pending") or slot_taken(record, invocation_id, "running")
  then
    hold_back(invocation_id, record)
  elseif not is_refused(record, "pending", owner) then
    set_status(invocation_id, record, "pending", owner, op)
    record_status(invocation_id, record, context_id)
    hand_out(invocation_id)
  end
end

for _, invocation_id in ipairs(last_reply(consumer, op) or {}) do
  local record = read_status(invocation_id)
  if record and record.op == op then
    hand_out(invocation_id)
  end
end
if #ids > 0 then
  return reply()
end

local context_list = parse_contexts(contexts)
start_writing()
store_contexts(context_list)
if awaited_first == 1 then
  for _, invocation_id in ipairs(redis.call("ZRANGE", blocking, 0, count - 1)) do
    consider(invocation_id)
  end
end
-- Stale and held back entries are passed over, but not without a limit.
local looked_at = 0
while #ids < count and looked_at < 4 * count do
  local members = queue_head(queue_name, count - #ids)
  if not members[1] then
    break
  end
  for _, member in ipairs(members) do
    redis.call("ZREM", queue, member)
    consider(queued_id(queue_name, member))
    looked_at = looked_at + 1
  end
end
for _, held in ipairs(back) do
  requeue(held[1], held[2], { "rerouted" }, context_id, op)
end
if #ids > 0 then
  remember_reply(consumer, op, ids)
end
local answer = reply()
-- More work than this worker took: wake the next one.
if #ids > 0 then
  ring(answer[4])
end
return answer
