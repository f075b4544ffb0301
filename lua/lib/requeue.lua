--[[% use "lib/set_status.lua" %]]
--[[% use "lib/record_status.lua" %]]
--[[% use "lib/enqueue.lua" %]]
-- Take an invocation through `steps` (statuses that are allowed from one to the next), recording
-- each, and put it back in its queue.
local function requeue(invocation_id, record, steps, context_id, op)
  for _, status in ipairs(steps) do
    set_status(invocation_id, record, status, record.owner, op)
    record_status(invocation_id, record, context_id)
  end
  if redis.call("HEXISTS", queued, invocation_id) == 0 then
    enqueue(invocation_id, record.queue, record.priority)
  end
end
