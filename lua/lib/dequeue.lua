--[[% use "lib/leave_queue.lua" %]]
-- Take an invocation out of its queue, however often it is there.
local function dequeue(invocation_id)
  leave_queue(redis.call("HGET", queued, invocation_id) or "")
  redis.call("HDEL", queued, invocation_id)
end
