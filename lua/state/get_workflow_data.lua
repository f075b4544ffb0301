#!lua flags=no-writes
--- Read a value under a key of a workflow.
-- @version 2
-- @key workflow_data
-- @arg field bytes
-- @returns FOUND serialized | NONE
-- @cost O(1)
local serialized = redis.call("HGET", workflow_data, field)
if not serialized then
  return { "NONE" }
end
return { "FOUND", serialized }
