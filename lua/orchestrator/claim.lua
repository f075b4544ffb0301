#!lua
--- Claim up to `count` invocations for a runner.
--- Those that others wait for come first, then the head of a queue. Each becomes pending and owned,
--- is recorded, and comes back with its record and arguments. One that running concurrency control
--- holds back goes to the end of its queue or ends, by its task's setting; the reply says which
--- changed how (and which of them orchestrator/release has to release more of), and how many wait for
--- their slot. `left` says whether the queue holds anything that
--- was not looked at.
-- @version 15
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
-- @key context_times
-- @key condition_index
-- @key changes
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
-- @arg notes int
-- @returns OK claimed held_back waiting left noted
-- @errors NO_OWNER
-- @cost O(count log N)
--[[% use "lib/is_refused.lua" %]]
--[[% use "lib/set_status.lua" %]]
--[[% use "lib/has_edges.lua" %]]
--[[% use "lib/record_status.lua" %]]
--[[% use "lib/enqueue.lua" %]]
--[[% use "lib/slot_taken.lua" %]]
--[[% use "lib/dequeue.lua" %]]
--[[% use "lib/queue_head.lua" %]]
--[[% use "lib/last_reply.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
--[[% use "lib/store_contexts.lua" %]]
--[[% use "lib/ring.lua" %]]
if is_nobody(owner) then
  return fail("NO_OWNER", "a claim needs a runner")
end
local claimed, ids, held_back, back = {}, {}, {}, {}

local function hand_out(invocation_id)
  claimed[#claimed + 1] = {
    invocation_id,
    redis.call("HGET", invocations, invocation_id),
    redis.call("HGET", arguments, invocation_id) or "",
  }
  ids[#ids + 1] = invocation_id
end

local function change(invocation_id, record, status)
  set_status(invocation_id, record, status, owner, op)
  record_status(invocation_id, record, context_id, notes)
end

-- One that was sent back already only moves to the end of its queue: to record that at every look
-- would let its history grow for as long as the slot is taken.
local function hold_back(invocation_id, record)
  if record.status == "rerouted" then
    back[#back + 1] = { invocation_id, record }
    return
  end
  local status = record.reroutes == "1" and "concurrency_controlled"
    or "concurrency_controlled_final"
  if is_refused(record, status, owner) then
    back[#back + 1] = { invocation_id, record }
    return
  end
  change(invocation_id, record, status)
  local more = is(status, "final") and has_edges(invocation_id) and 1 or 0
  held_back[#held_back + 1] = { invocation_id, record.task, status, more }
  if status == "concurrency_controlled" then
    change(invocation_id, record, "rerouted")
    held_back[#held_back + 1] = { invocation_id, record.task, "rerouted", 0 }
    back[#back + 1] = { invocation_id, record }
  end
end

local function claim(invocation_id, record)
  change(invocation_id, record, "pending")
  hand_out(invocation_id)
end

local function is_held_back(invocation_id, record)
  return slot_taken(record, invocation_id, "pending")
    or slot_taken(record, invocation_id, "running")
end

-- An invocation that others wait for stays where it is if it is held back: its turn comes.
local function consider_awaited(invocation_id)
  local record = read_status(invocation_id)
  if not record or not is(record.status, "available") then
    redis.call("ZREM", blocking, invocation_id)
  elseif not is_held_back(invocation_id, record) then
    dequeue(invocation_id)
    claim(invocation_id, record)
  end
end

-- An invocation that is not free to run any more leaves the queue and nothing else happens to it.
local function consider_queued(invocation_id, member)
  local record = read_status(invocation_id)
  dequeue(invocation_id, member)
  if not record or not is(record.status, "available") then
    return
  elseif is_held_back(invocation_id, record) then
    hold_back(invocation_id, record)
  else
    claim(invocation_id, record)
  end
end

for _, invocation_id in ipairs(last_reply(consumer, op) or {}) do
  local record = read_status(invocation_id)
  if record and record.op == op then
    hand_out(invocation_id)
  end
end
if #ids > 0 then
  return { "OK", claimed, held_back, 0, 0, noted }
end

local context_list = parse_pairs(contexts)
start_writing()
if awaited_first == 1 then
  for _, invocation_id in ipairs(redis.call("ZRANGE", blocking, 0, count - 1)) do
    consider_awaited(invocation_id)
  end
end
-- Stale and held back entries are passed over, but not without a limit.
local looked_at = 0
while #ids < count and looked_at < math.max(4 * count, 100) do
  local members = queue_head(queue_name, count - #ids)
  if not members[1] then
    break
  end
  for _, member in ipairs(members) do
    looked_at = looked_at + 1
    -- One that was queued twice left the queue with its first place.
    if redis.call("ZREM", queue, member) == 1 then
      consider_queued(queued_id(queue_name, member), member)
    end
  end
end
local left = queue_head(queue_name, 1)[1] and 1 or 0
for _, held in ipairs(back) do
  enqueue(held[1], held[2].queue, held[2].priority)
end
-- A runner that idles makes a new context every so often; only what did something is kept.
if #ids > 0 or #held_back > 0 then
  store_contexts(context_list)
end
if #ids > 0 then
  remember_reply(consumer, op, ids)
  -- More work than this worker took: wake the next one.
  ring(left)
end
return { "OK", claimed, held_back, #back, left, noted }
