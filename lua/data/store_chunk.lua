#!lua
--- Store a later chunk of a large value; the value is there when its first chunk is.
-- @version 1
-- @key client_data
-- @arg field bytes
-- @arg data bytes
-- @returns OK
-- @cost O(1)
start_writing()
redis.call("HSETNX", client_data, field, data)
return { "OK" }
