--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/pack.lua" %]]
-- Remember what a consumer is told of an operation, for lib/last_reply.lua.
local function remember_reply(consumer, op, told)
  redis.call("HSET", replies, consumer, pack(op, decimal(now_us()), unpack(told)))
end
