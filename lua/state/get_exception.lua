#!lua flags=no-writes
--- Read the serialized exception of an invocation.
-- @version 2
-- @key exceptions
-- @arg invocation_id id
-- @returns FOUND serialized | NONE
-- @cost O(1)
local serialized = redis.call("HGET", exceptions, invocation_id)
if not serialized then
  return { "NONE" }
end
return { "FOUND", serialized }
