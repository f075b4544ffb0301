#!lua
--- Take the head of a queue.
-- @version 7
-- @key queue
-- @key queued
-- @key replies
-- @arg queue_name id
-- @arg consumer id
-- @arg op id
-- @returns TAKEN invocation_id | EMPTY
-- @cost O(log N)
--[[% use "lib/queue_head.lua" %]]
--[[% use "lib/last_reply.lua" %]]
local taken_before = last_reply(consumer, op)
if taken_before then
  return { "TAKEN", taken_before[1] }
end
local member = queue_head(queue_name, 1)[1]
if not member then
  return { "EMPTY" }
end
local invocation_id = queued_id(queue_name, member)
start_writing()
redis.call("ZREM", queue, member)
local others, position = "", 1
local places = redis.call("HGET", queued, invocation_id) or ""
while position <= #places do
  local place
  place, position = unpack_field(places, position)
  if place ~= member then
    others = others .. pack(place)
  end
end
if others == "" then
  redis.call("HDEL", queued, invocation_id)
else
  redis.call("HSET", queued, invocation_id, others)
end
remember_reply(consumer, op, { invocation_id })
return { "TAKEN", invocation_id }
