#!lua
--- Store a deterministic value of a workflow unless there is one.
--- Replies with the one that stands: every racing worker and every replay reads what the first
--- writer stored.
-- @version 8
-- @key workflow_values
-- @key index
-- @key client_data_uses
-- @arg field bytes
-- @arg serialized bytes
-- @returns STORED serialized
-- @cost O(log N)
--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack_list.lua" %]]
--[[% use "lib/use_client_data.lua" %]]
local stored = redis.call("HGET", workflow_values, field)
if stored then
  return { "STORED", stored }
end
local workflow_id = unpack_list(field)[1]
start_writing()
redis.call("HSET", workflow_values, field, serialized)
-- Retention finds what a workflow left by its id.
redis.call("ZADD", index, 0, pack("value") .. field)
use_client_data(workflow_id, serialized)
return { "STORED", serialized }
