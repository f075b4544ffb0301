#!lua flags=allow-oom
--- Remove invocations that have been final for a time, wholly, at most `count` of them.
--- Replies with how many were looked at; one that many others are tied to takes several calls.
-- @version 15
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

local function forget_status(invocation_id, record, places)
  if record then
    record = parse_status(record)
    unindex_status(invocation_id, record)
    for _, member in ipairs(argument_members(invocation_id, record)) do
      put("ZREM", concurrency, member)
    end
    redis.call("ZREM", index, call_member(record.call, invocation_id))
  end
  if places then
    dequeue(invocation_id)
  end
  put("HDEL", statuses, invocation_id)
  put("ZREM", registered, invocation_id)
  put("ZREM", open, invocation_id)
  put("ZREM", expiring, invocation_id)
end

local function forget_history(invocation_id, records)
  local name, position = time_name(invocation_id), 1
  while records and position <= #records do
    put("ZREM", history_times, time_member(position, name))
    local _, after = unpack_field(records, position)
    position = after
  end
  put("HDEL", history, invocation_id)
end

local function forget_payload(key, invocation_id, payload)
  if payload then
    release_client_data(invocation_id, payload)
    put("HDEL", key, invocation_id)
  end
end

local function forget_invocation(invocation_id, record)
  if record then
    -- At once: whether another one is the last of its workflow is read from there.
    redis.call("ZREM", index, unpack(index_members(invocation_id, record)))
    put("HDEL", invocations, invocation_id)
  end
end

local before = decimal(now_us() - age_us)
local expired = redis.call("ZRANGE", expiring, "-inf", before, "BYSCORE", "LIMIT", 0, count)
local found = {}
for _, key in ipairs({ invocations, statuses, queued, history, arguments, results, exceptions }) do
  found[key] = read_many(key, expired)
end
start_writing()
-- What may be long goes first and in steps: until that is gone the invocation is found again.
local looked_at, left = 0, 500
for i, invocation_id in ipairs(expired) do
  local record = found[invocations][i]
  looked_at = i
  left = left - (record and forget_workflow(invocation_id, record, 500) or 0)
  left = left - release_waiters(invocation_id)
  if left <= 0 or has_edges(invocation_id) then
    break
  end
  forget_status(invocation_id, found[statuses][i], found[queued][i])
  forget_history(invocation_id, found[history][i])
  for _, key in ipairs({ arguments, results, exceptions }) do
    forget_payload(key, invocation_id, found[key][i])
  end
  forget_invocation(invocation_id, record)
end
write_gathered()
return { "OK", looked_at }
