--[[% use "lib/pack.lua" %]]
-- How a call is named in `index`: by its id or, where that is longer, by the id's digest. No digest is a
-- call id, for these have a dot.
local function call_name(call_id)
  return #call_id > 40 and redis.sha1hex(call_id) or call_id
end

-- The member of `index` by which an invocation is found by its call.
local function call_member(call_id, invocation_id)
  return pack("call", call_name(call_id), invocation_id)
end
