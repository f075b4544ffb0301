--[[% use "lib/pack.lua" %]]
--[[% use "lib/put.lua" %]]
-- Put an invocation at a place (a sequence number) in a queue; `others` are the places that it has.
local function enqueue_at(number, others, invocation_id, name, priority)
  local member = pack(name) .. priority .. string.format("%016.0f", number) .. invocation_id
  put("ZADD", queue, "0", member)
  put("HSET", queued, invocation_id, (others or "") .. pack(member))
end
