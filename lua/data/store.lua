#!lua
--- Store a value; one of the same content that is there already stays.
--- It stays until its last user is gone, and for the time of retention after that; one that nothing
--- of ours ever used stays until a purge, for a trigger component may keep a reference to it.
-- @version 5
-- @key client_data
-- @key client_data_idle
-- @arg reference id
-- @arg data bytes
-- @returns OK
-- @cost O(log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
start_writing()
if redis.call("HSETNX", client_data, reference, data) == 1 then
  redis.call("ZREM", client_data_idle, reference)
else
  redis.call("ZADD", client_data_idle, "XX", decimal(now_us()), reference)
end
return { "OK" }
