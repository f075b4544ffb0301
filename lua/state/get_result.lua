#!lua flags=no-writes
--- Read the serialized result of an invocation.
-- @version 2
-- @key results
-- @arg invocation_id id
-- @returns FOUND serialized | NONE
-- @cost O(1)
local serialized = redis.call("HGET", results, invocation_id)
if not serialized then
  return { "NONE" }
end
return { "FOUND", serialized }
