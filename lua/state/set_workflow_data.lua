#!lua
--- Store a value under a key of a workflow; the last write wins.
-- @version 3
-- @key workflow_data
-- @key index
-- @key client_data_uses
-- @arg field bytes
-- @arg serialized bytes
-- @returns OK
-- @cost O(log N)
--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
--[[% use "lib/use_client_data.lua" %]]
start_writing()
redis.call("HSET", workflow_data, field, serialized)
-- Retention finds what a workflow left by its id.
redis.call("ZADD", index, 0, pack("data") .. field)
use_client_data((unpack_field(field, 1)), serialized)
return { "OK" }
