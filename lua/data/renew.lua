#!lua
--- Tell whether a value is stored, to spare sending it again, and keep it if it is.
-- @version 5
-- @key client_data
-- @key client_data_idle
-- @arg reference id
-- @returns STORED | NONE
-- @cost O(log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
if redis.call("HEXISTS", client_data, reference) == 0 then
  return { "NONE" }
end
start_writing()
redis.call("ZADD", client_data_idle, "XX", decimal(now_us()), reference)
return { "STORED" }
