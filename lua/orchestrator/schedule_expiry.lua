#!lua
--- Note an invocation as final from now on, so that retention finds it.
-- @version 5
-- @key expiring
-- @arg invocation_id id
-- @returns OK
-- @cost O(log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
start_writing()
-- The first time stands: a call that is repeated changes nothing.
redis.call("ZADD", expiring, "NX", decimal(now_us()), invocation_id)
return { "OK" }
