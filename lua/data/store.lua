#!lua
--- Store a value; one of the same content that is there already stays.
--- Retention removes it once its last user is gone; one that is idle is idle from now on.
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
redis.call("ZADD", client_data_idle, "XX", decimal(now_us()), reference)
return { "OK" }
