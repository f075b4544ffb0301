--[[% use "lib/enqueue_at.lua" %]]
-- Put an invocation at the end of a queue.
local function enqueue(invocation_id, name, priority)
  local number = redis.call("INCR", queue_sequence)
  enqueue_at(number, redis.call("HGET", queued, invocation_id), invocation_id, name, priority)
end
