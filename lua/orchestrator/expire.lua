#!lua flags=allow-oom
--- Remove invocations that have been final for a time, wholly, at most `count` of them.
--- Replies with how many were looked at; one that many others are tied to takes several calls.
-- @version 19
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
--[[% use "lib/read_many.lua" %]]
--[[% use "lib/gather.lua" %]]
--[[% use "lib/parse_status.lua" %]]
--[[% use "lib/unindex_status.lua" %]]
--[[% use "lib/argument_members.lua" %]]
--[[% use "lib/release_waiters.lua" %]]
--[[% use "lib/has_edges.lua" %]]
--[[% use "lib/dequeue.lua" %]]
--[[% use "lib/time_member.lua" %]]
--[[% use "lib/index_members.lua" %]]
--[[% use "lib/forget_workflow.lua" %]]
--[[% use "lib/release_client_data.lua" %]]
put = gather

-- All that is removed of an invocation but payloads, which may be large. It fails on what is unreadable,
-- and is therefore made before anything of that invocation is written.
local function remains_of(invocation_id, stored, status)
  local remains = { index = {}, times = {}, status = status and parse_status(status) }
  if stored then
    unpack_list(stored)
    remains.index = index_members(invocation_id, stored)
  end
  if status then
    remains.arguments = argument_members(invocation_id, remains.status)
    table.insert(remains.index, call_member(remains.status.call, invocation_id))
  end
  local records = redis.call("HGET", history, invocation_id) or ""
  local name, position = time_name(invocation_id), 1
  while position <= #records do
    table.insert(remains.times, time_member(position, name))
    local _, after = unpack_field(records, position)
    position = after
  end
  return remains
end

local function forget_status(invocation_id, remains)
  if remains.status then
    unindex_status(invocation_id, remains.status)
    for _, member in ipairs(remains.arguments) do
      put("ZREM", concurrency, member)
    end
  end
  put("HDEL", statuses, invocation_id)
  put("ZREM", registered, invocation_id)
  put("ZREM", open, invocation_id)
  put("ZREM", expiring, invocation_id)
end

local function forget_history(invocation_id, remains)
  for _, member in ipairs(remains.times) do
    put("ZREM", history_times, member)
  end
  put("HDEL", history, invocation_id)
end

local function forget_payloads(invocation_id)
  for _, key in ipairs({ arguments, results, exceptions }) do
    local payload = redis.call("HGET", key, invocation_id)
    if payload then
      release_client_data(invocation_id, payload)
      put("HDEL", key, invocation_id)
    end
  end
end

local function forget_invocation(invocation_id, remains)
  if remains.index[1] then
    -- At once: whether another one is the last of its workflow is read from there.
    redis.call("ZREM", index, unpack(remains.index))
  end
  put("HDEL", invocations, invocation_id)
end

local before = decimal(now_us() - age_us)
local expired = redis.call("ZRANGE", expiring, "-inf", before, "BYSCORE", "LIMIT", 0, count)
local records, states = read_many(invocations, expired), read_many(statuses, expired)
local places = read_many(queued, expired)
start_writing()
-- What may be long goes first and in steps: until that is gone the invocation is found again.
local looked_at, left = 0, 500
for i, invocation_id in ipairs(expired) do
  local readable, remains = pcall(remains_of, invocation_id, records[i], states[i])
  if not readable then
    -- Those before it go all the same.
    if i == 1 then
      error("invocation " .. invocation_id .. " can't be read: " .. tostring(remains), 0)
    end
    break
  end
  looked_at = i
  left = left - (records[i] and forget_workflow(invocation_id, records[i], 500) or 0)
  left = left - release_waiters(invocation_id)
  if left <= 0 or has_edges(invocation_id) then
    break
  end
  if places[i] then
    dequeue(invocation_id)
  end
  forget_status(invocation_id, remains)
  forget_history(invocation_id, remains)
  forget_payloads(invocation_id)
  forget_invocation(invocation_id, remains)
end
write_gathered()
return { "OK", looked_at }
