--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- What a consumer was told of operation `op`, as a list of texts, or nil if that was not its
-- last one. For what can't be seen in the data any more once others went on: whoever lost the reply
-- must get it again.
local function last_reply(consumer, op)
  local packed = redis.call("HGET", replies, consumer)
  if not packed then
    return nil
  end
  local known, position = unpack_field(packed, 1)
  if known ~= op then
    return nil
  end
  local _, first = unpack_field(packed, position)
  local told = {}
  while first <= #packed do
    told[#told + 1], first = unpack_field(packed, first)
  end
  return told
end

local function remember_reply(consumer, op, told)
  redis.call("HSET", replies, consumer, pack(op, decimal(now_us()), unpack(told)))
end
