--[[% use "lib/unpack_list.lua" %]]
-- Take an invocation out of its queue, however often it is there; `gone` is a member that was taken out.
local function dequeue(invocation_id, gone)
  local places = redis.call("HGET", queued, invocation_id) or ""
  for _, member in ipairs(unpack_list(places)) do
    if member ~= gone then
      redis.call("ZREM", queue, member)
    end
  end
  redis.call("HDEL", queued, invocation_id)
end
