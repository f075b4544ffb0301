--[[% use "lib/parse_status.lua" %]]
-- The record of an invocation in `statuses`, or nil.
local function read_status(invocation_id)
  local packed = redis.call("HGET", statuses, invocation_id)
  return packed and parse_status(packed) or nil
end
