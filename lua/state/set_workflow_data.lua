#!lua
--- Store a value under a key of a workflow; the last write wins.
-- @version 8
-- @key workflow_data
-- @key index
-- @key client_data_uses
-- @arg field bytes
-- @arg serialized bytes
-- @returns OK
-- @cost O(log N)
--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack_list.lua" %]]
--[[% use "lib/use_client_data.lua" %]]
local workflow_id = unpack_list(field)[1]
start_writing()
redis.call("HSET", workflow_data, field, serialized)
-- Retention finds what a workflow left by its id.
redis.call("ZADD", index, 0, pack("data") .. field)
use_client_data(workflow_id, serialized)
return { "OK" }
