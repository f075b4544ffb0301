--[[% use "lib/pack.lua" %]]
-- The member of `index` by which an invocation is found by its call. A call id names a task and a digest
-- of arguments: its own digest is half as long.
local function call_member(call_id, invocation_id)
  return pack("call", redis.sha1hex(call_id), invocation_id)
end
