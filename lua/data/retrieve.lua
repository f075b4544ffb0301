#!lua flags=no-writes
--- Read a value, or a later chunk of a large one.
-- @version 2
-- @key client_data
-- @arg field bytes
-- @returns FOUND data | NONE
-- @cost O(1)
local data = redis.call("HGET", client_data, field)
if not data then
  return { "NONE" }
end
return { "FOUND", data }
