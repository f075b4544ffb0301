#!lua
--- Store the serialized result of an invocation.
-- @version 1
-- @key results
-- @arg invocation_id id
-- @arg serialized bytes
-- @returns OK
-- @cost O(1)
start_writing()
redis.call("HSET", results, invocation_id, serialized)
return { "OK" }
