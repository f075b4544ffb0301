#!lua
--- Store the serialized exception of an invocation.
-- @version 1
-- @key exceptions
-- @arg invocation_id id
-- @arg serialized bytes
-- @returns OK
-- @cost O(1)
start_writing()
redis.call("HSET", exceptions, invocation_id, serialized)
return { "OK" }
