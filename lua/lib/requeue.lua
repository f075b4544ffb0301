--[[% use "lib/set_status.lua" %]]
--[[% use "lib/record_status.lua" %]]
--[[% use "lib/dequeue.lua" %]]
--[[% use "lib/enqueue.lua" %]]
-- Take an invocation through `steps` (statuses that are allowed from one to the next), recording
-- each, and put it at the end of its queue.
local function requeue(invocation_id, record, steps, context_id, notes, op, written_us)
  for _, status in ipairs(steps) do
    set_status(invocation_id, record, status, record.owner, op, written_us)
    record_status(invocation_id, record, context_id, notes)
  end
  if not steps[1] then
    record.op = op
    write_status(invocation_id, record)
  end
  dequeue(invocation_id)
  enqueue(invocation_id, record.queue, record.priority)
end
