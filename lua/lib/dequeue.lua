--[[% use "lib/unpack_list.lua" %]]
-- Take an invocation out of its queue, however often it is there.
local function dequeue(invocation_id)
  local places = redis.call("HGET", queued, invocation_id) or ""
  for _, member in ipairs(unpack_list(places)) do
    redis.call("ZREM", queue, member)
  end
  redis.call("HDEL", queued, invocation_id)
end
