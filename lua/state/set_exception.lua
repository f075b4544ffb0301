#!lua
--- Store the serialized exception of an invocation.
-- @version 7
-- @key exceptions
-- @key client_data_uses
-- @arg invocation_id id
-- @arg serialized bytes
-- @returns OK
-- @cost O(log N)
--[[% use "lib/use_client_data.lua" %]]
start_writing()
redis.call("HSET", exceptions, invocation_id, serialized)
use_client_data(invocation_id, serialized)
return { "OK" }
