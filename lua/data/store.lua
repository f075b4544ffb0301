#!lua
--- Store a value; one of the same content that is there already stays.
--- Nothing refers to it yet: retention spares it for as long as it spares a final invocation.
-- @version 1
-- @key client_data
-- @key client_data_idle
-- @arg reference id
-- @arg data bytes
-- @returns OK
-- @cost O(log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
start_writing()
redis.call("HSETNX", client_data, reference, data)
redis.call("ZADD", client_data_idle, decimal(now_us()), reference)
return { "OK" }
