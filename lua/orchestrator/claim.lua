#!lua
--- Claim up to `count` invocations for a runner.
--- Those that others wait for come first, then the head of a queue. Each becomes pending and owned,
--- is recorded, and comes back with its record and arguments. One that running concurrency control
--- holds back goes to the end of its queue or ends, by its task's setting; the reply says which
--- changed how (and which of them orchestrator/release has to release more of), and how many wait for
--- their slot. `left` says whether the queue holds anything that
--- was not looked at.
-- @version 17
-- @key statuses read first
-- @key open
-- @key expiring
-- @key task_index
-- @key concurrency
-- @key waits
-- @key blocking
-- @key invocations
-- @key arguments
-- @key history read first
-- @key history_times
-- @key runner_contexts if contexts ~= ""
-- @key context_times if contexts ~= ""
-- @key condition_index if notes == 1
-- @key changes if notes == 1
-- @key queue read first
-- @key queued read first
-- @key queue_sequence
-- @key replies read first
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
--[[% use "lib/status_machine.lua" %]]
--[[% use "lib/read_many.lua" %]]
--[[% use "lib/parse_status.lua" %]]
--[[% use "lib/task_member.lua" %]]
--[[% use "lib/is_watched.lua" %]]
--[[% use "lib/set_status.lua" %]]
--[[% use "lib/record_status_behind.lua" %]]
--[[% use "lib/queue_head.lua" %]]
--[[% use "lib/gather.lua" %]]
--[[% use "lib/last_reply.lua" %]]
--[[% use "lib/ring.lua" %]]
local runner_id = cmsgpack.unpack(owner)
if (runner_id or "") == "" then
  return fail("NO_OWNER", "a claim needs a runner")
end
local ids, held_back, back = {}, {}, {}

local function with_payloads()
  local records, payloads, claimed = read_many(invocations, ids), read_many(arguments, ids), {}
  for i, invocation_id in ipairs(ids) do
    claimed[i] = { invocation_id, records[i], payloads[i] or "" }
  end
  return claimed
end

local function is_held_back(invocation_id, record)
  if record.slot == "" then
    return false
  end
  --[[% inline "lib/slot_taken.lua" %]]
  return slot_taken(record, invocation_id, "pending")
    or slot_taken(record, invocation_id, "running")
end

-- One that was sent back already only moves to the end of its queue: to record that at every look
-- would let its history grow for as long as the slot is taken.
local function hold_back(invocation_id, record)
  --[[% inline "lib/is_refused.lua" %]]
  --[[% inline "lib/has_edges.lua" %]]
  --[[% inline "lib/record_status.lua" %]]
  local function change(status)
    set_status(invocation_id, record, status, runner_id, op)
    record_status(invocation_id, record, context_id, notes)
  end
  local status = record.reroutes == "1" and "concurrency_controlled"
    or "concurrency_controlled_final"
  if record.status == "rerouted" or is_refused(record, status, runner_id) then
    back[#back + 1] = { invocation_id, record }
    return
  end
  -- What follows goes through several statuses, and releases others.
  write_gathered()
  put = redis.call
  change(status)
  local more = is(status, "final") and has_edges(invocation_id) and 1 or 0
  held_back[#held_back + 1] = { invocation_id, record.task, status, more }
  if status == "concurrency_controlled" then
    change("rerouted")
    held_back[#held_back + 1] = { invocation_id, record.task, "rerouted", 0 }
    back[#back + 1] = { invocation_id, record }
  end
  put = gather
end

-- The record of an invocation with all that a claim takes of it, or nil: one that is damaged must not stop
-- the script when others have left their queue.
local function readable(packed)
  local fine, record = pcall(parse_status, packed)
  if fine and pcall(task_member, "", record) and tonumber(record.at_us) then
    return record
  end
end

-- The records of a list that are free to run. What watches them is read here as well, before the first write.
local function free_of(list)
  local free = {}
  for i, packed in ipairs(read_many(statuses, list)) do
    local record = packed and readable(packed)
    if record and is(record.status, "available") then
      free[i] = record
      local changes_to = record.slot == "" and { "pending" }
        or { "pending", "concurrency_controlled", "concurrency_controlled_final", "rerouted" }
      for _, status in ipairs(notes == 1 and changes_to or {}) do
        is_watched(record.task, status)
      end
    end
  end
  return free
end

-- Claim those of a list that are free to run. `members` are the places of those that come from the head of
-- their queue, which they leave: to one that is not free to run any more, or damaged, nothing else happens.
-- An invocation that others wait for stays where it is if it is held back: its turn comes.
local function consider(list, members)
  local free, places = free_of(list), read_many(queued, list)
  local histories, seen = read_many(history, list), {}
  put = list[2] and gather or redis.call
  for i, invocation_id in ipairs(list) do
    local record, member = free[i], members and members[i]
    local held = record and is_held_back(invocation_id, record)
    if member then
      put("ZREM", queue, member)
    end
    -- One that was queued twice left the queue with its first place.
    local first = not seen[invocation_id]
    seen[invocation_id] = true
    if first and (member or record and not held) then
      if places[i] ~= pack(member or false) then
        --[[% inline "lib/leave_queue.lua" %]]
        -- Places that can't be read are none.
        pcall(leave_queue, places[i] or "", member)
      end
      put("HDEL", queued, invocation_id)
    end
    if first and record and not held then
      set_status(invocation_id, record, "pending", runner_id, op)
      record_status_behind(histories[i], invocation_id, record, context_id, notes)
      ids[#ids + 1] = invocation_id
      if record.slot ~= "" then
        -- The next one has to see that the slot is taken.
        write_gathered()
      end
    elseif first and held and member then
      hold_back(invocation_id, record)
    elseif not record and not members then
      redis.call("ZREM", blocking, invocation_id)
    end
  end
  write_gathered()
  put = redis.call
end

local told = last_reply(consumer, op)
if told then
  --[[% inline "lib/read_status.lua" %]]
  for _, invocation_id in ipairs(told) do
    local record = read_status(invocation_id)
    if record and record.op == op then
      ids[#ids + 1] = invocation_id
    end
  end
  -- All of it may run already: a repeated call that its client did not wait for comes late, and what it
  -- claimed besides would be claimed for nobody.
  return { "OK", with_payloads(), held_back, 0, ids[1] and 0 or 1, noted }
end

local context_list = {}
if contexts ~= "" then
  --[[% inline "lib/parse_pairs.lua" %]]
  context_list = parse_pairs(contexts)
end
local members = queue_head(queue_name, count)
start_writing()
if awaited_first == 1 and blocking_size > 0 then
  consider(redis.call("ZRANGE", blocking, 0, count - 1))
  members = queue_head(queue_name, math.max(count - #ids, 1))
end
-- Stale and held back entries are passed over, but not without a limit.
local looked_at, most = 0, math.max(4 * count, 100)
while members[1] and #ids < count and looked_at < most do
  local list = {}
  for i, member in ipairs(members) do
    list[i] = queued_id(queue_name, member)
  end
  consider(list, members)
  looked_at = looked_at + #members
  members = queue_head(queue_name, math.max(count - #ids, 1))
end
local left = members[1] and 1 or 0
if back[1] then
  --[[% inline "lib/enqueue.lua" %]]
  for _, held in ipairs(back) do
    enqueue(held[1], held[2].queue, held[2].priority)
  end
end
-- A runner that idles makes a new context every so often; only what did something is kept.
if context_list[1] and (ids[1] or held_back[1]) then
  --[[% inline "lib/store_contexts.lua" %]]
  store_contexts(context_list)
end
if ids[1] then
  remember_reply(consumer, op, ids)
  -- More work than this worker took: wake the next one.
  ring(left)
end
return { "OK", with_payloads(), held_back, #back, left, noted }
