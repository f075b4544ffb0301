--[[% use "lib/unpack.lua" %]]
-- Take an invocation out of its queue, however often it is there.
local function dequeue(invocation_id)
  local places, position = redis.call("HGET", queued, invocation_id) or "", 1
  while position <= #places do
    local member
    member, position = unpack_field(places, position)
    redis.call("ZREM", queue, member)
  end
  redis.call("HDEL", queued, invocation_id)
end
