#!lua flags=no-writes
--- Read a deterministic value of a workflow.
-- @version 2
-- @key workflow_values
-- @arg field bytes
-- @returns FOUND serialized | NONE
-- @cost O(1)
local serialized = redis.call("HGET", workflow_values, field)
if not serialized then
  return { "NONE" }
end
return { "FOUND", serialized }
