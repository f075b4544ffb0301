#!lua flags=no-writes
--- Read an invocation and its arguments.
-- @version 2
-- @key invocations
-- @key arguments
-- @arg invocation_id id
-- @returns FOUND record arguments | NONE
-- @cost O(1)
local record = redis.call("HGET", invocations, invocation_id)
if not record then
  return { "NONE" }
end
return { "FOUND", record, redis.call("HGET", arguments, invocation_id) or "" }
