--[[% use "lib/unpack_list.lua" %]]
-- An execution of an atomic service: runner id, start, end (false while it runs), status, reason.
local function read_service(id)
  local packed = redis.call("HGET", services, id)
  return packed and unpack_list(packed) or nil
end
