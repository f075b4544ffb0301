--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- What a consumer took from the queue with operation `op`, as a list, or nil if that was not its
-- last one. Taking can't be undone, so whoever lost the reply must get it again.
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
  local ids = {}
  while first <= #packed do
    ids[#ids + 1], first = unpack_field(packed, first)
  end
  return ids
end

local function remember_reply(consumer, op, ids)
  local packed = { pack(op), pack(decimal(now_us())) }
  for _, id in ipairs(ids) do
    packed[#packed + 1] = pack(id)
  end
  redis.call("HSET", replies, consumer, table.concat(packed))
end
