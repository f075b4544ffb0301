#!lua
--- Store a value under a key of a workflow; the last write wins.
-- @version 1
-- @key workflow_data
-- @key index
-- @arg field bytes
-- @arg serialized bytes
-- @returns OK
-- @cost O(log N)
--[[% use "lib/pack.lua" %]]
start_writing()
redis.call("HSET", workflow_data, field, serialized)
-- Retention finds what a workflow left by its id.
redis.call("ZADD", index, 0, pack("data") .. field)
return { "OK" }
