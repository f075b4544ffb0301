#!lua
--- Store a later chunk of a large value; the value is there when its first chunk is.
--- `part` is encoding and number: uploads in two encodings never mix.
--- Until then it is idle: retention removes what never became whole.
-- @version 6
-- @key client_data
-- @key client_data_idle
-- @arg reference id
-- @arg part id
-- @arg data bytes
-- @returns OK
-- @cost O(log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/pack.lua" %]]
start_writing()
redis.call("HSETNX", client_data, pack(reference, part), data)
redis.call("ZADD", client_data_idle, decimal(now_us()), reference)
return { "OK" }
