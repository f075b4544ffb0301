--[[% use "lib/pack.lua" %]]
-- Put an invocation at the end of a queue.
local function enqueue(invocation_id, name, priority)
  local number = string.format("%016.0f", redis.call("INCR", queue_sequence))
  local member = pack(name) .. priority .. number .. invocation_id
  redis.call("ZADD", queue, 0, member)
  local others = redis.call("HGET", queued, invocation_id) or ""
  redis.call("HSET", queued, invocation_id, others .. pack(member))
end
