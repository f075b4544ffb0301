#!lua
--- Store a deterministic value of a workflow unless there is one.
--- Replies with the one that stands: every racing worker and every replay reads what the first
--- writer stored.
-- @version 1
-- @key workflow_values
-- @arg field bytes
-- @arg serialized bytes
-- @returns STORED serialized
-- @cost O(1)
local stored = redis.call("HGET", workflow_values, field)
if stored then
  return { "STORED", stored }
end
start_writing()
redis.call("HSET", workflow_values, field, serialized)
return { "STORED", serialized }
