#!lua
--- Store a deterministic value of a workflow unless there is one.
--- Replies with the one that stands: every racing worker and every replay reads what the first
--- writer stored.
-- @version 1
-- @key workflow_values
-- @key index
-- @arg field bytes
-- @arg serialized bytes
-- @returns STORED serialized
-- @cost O(log N)
--[[% use "lib/pack.lua" %]]
local stored = redis.call("HGET", workflow_values, field)
if stored then
  return { "STORED", stored }
end
start_writing()
redis.call("HSET", workflow_values, field, serialized)
-- Retention finds what a workflow left by its id.
redis.call("ZADD", index, 0, pack("value") .. field)
return { "STORED", serialized }
