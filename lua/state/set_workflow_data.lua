#!lua
--- Store a value under a key of a workflow; the last write wins.
-- @version 1
-- @key workflow_data
-- @arg field bytes
-- @arg serialized bytes
-- @returns OK
-- @cost O(1)
start_writing()
redis.call("HSET", workflow_data, field, serialized)
return { "OK" }
