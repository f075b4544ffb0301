#!lua flags=allow-oom
--- Remove invocations that have been final for a time, wholly, at most `count` of them.
--- Replies with how many were looked at; one that many others are tied to takes several calls.
-- @version 14
-- @key statuses
-- @key registered
-- @key open
-- @key expiring
-- @key task_index
-- @key concurrency
-- @key waits
-- @key blocking
-- @key invocations
-- @key arguments
-- @key index
-- @key history
-- @key history_times
-- @key results
-- @key exceptions
-- @key workflow_data
-- @key workflow_values
-- @key queue
-- @key queued
-- @key client_data_uses
-- @key client_data_idle
-- @arg age_us int
-- @arg count count
-- @returns OK looked_at
-- @cost O(count log N), and the length of each one's history
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/unindex_status.lua" %]]
--[[% use "lib/argument_members.lua" %]]
--[[% use "lib/release_waiters.lua" %]]
--[[% use "lib/has_edges.lua" %]]
--[[% use "lib/dequeue.lua" %]]
--[[% use "lib/time_member.lua" %]]
--[[% use "lib/index_members.lua" %]]
--[[% use "lib/forget_workflow.lua" %]]
--[[% use "lib/release_client_data.lua" %]]
local function forget_status(invocation_id)
  local record = read_status(invocation_id)
  if record then
    unindex_status(invocation_id, record)
    for _, member in ipairs(argument_members(invocation_id, record)) do
      redis.call("ZREM", concurrency, member)
    end
    redis.call("ZREM", index, call_member(record.call, invocation_id))
  end
  dequeue(invocation_id)
  redis.call("HDEL", statuses, invocation_id)
  for _, key in ipairs({ registered, open, expiring, blocking }) do
    redis.call("ZREM", key, invocation_id)
  end
end

local function forget_history(invocation_id)
  local records, position = redis.call("HGET", history, invocation_id) or "", 1
  while position <= #records do
    redis.call("ZREM", history_times, time_member(position, invocation_id))
    local _, after = unpack_field(records, position)
    position = after
  end
  redis.call("HDEL", history, invocation_id)
end

local function forget_payloads(invocation_id)
  for _, key in ipairs({ arguments, results, exceptions }) do
    local payload = redis.call("HGET", key, invocation_id) or ""
    release_client_data(invocation_id, payload)
    redis.call("HDEL", key, invocation_id)
  end
end

local function forget_invocation(invocation_id, record)
  if record then
    redis.call("ZREM", index, unpack(index_members(invocation_id, record)))
    redis.call("HDEL", invocations, invocation_id)
  end
end

local before = decimal(now_us() - age_us)
local expired = redis.call("ZRANGE", expiring, "-inf", before, "BYSCORE", "LIMIT", 0, count)
start_writing()
-- What may be long goes first and in steps: until that is gone the invocation is found again.
local looked_at, left = 0, 500
for _, invocation_id in ipairs(expired) do
  local record = redis.call("HGET", invocations, invocation_id)
  looked_at = looked_at + 1
  left = left - (record and forget_workflow(invocation_id, record, 500) or 0)
  left = left - release_waiters(invocation_id)
  if left <= 0 or has_edges(invocation_id) then
    break
  end
  forget_status(invocation_id)
  forget_history(invocation_id)
  forget_payloads(invocation_id)
  forget_invocation(invocation_id, record)
end
return { "OK", looked_at }
