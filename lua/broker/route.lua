#!lua
--- Put invocations at the end of a queue.
--- One that is in a queue already is in it once more. A call that is repeated changes nothing.
-- @version 9
-- @key queue
-- @key queued
-- @key queue_sequence
-- @key replies
-- @key doorbell <- queue_name
-- @arg queue_name id
-- @arg priority bytes
-- @arg consumer id
-- @arg op id
-- @item invocation_id id
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/enqueue.lua" %]]
--[[% use "lib/last_reply.lua" %]]
--[[% use "lib/ring.lua" %]]
if item_count > 0 and not last_reply(consumer, op) then
  start_writing()
  for i = 1, item_count do
    enqueue(item(i), queue_name, priority)
  end
  remember_reply(consumer, op, {})
  ring(item_count)
end
return { "OK" }
