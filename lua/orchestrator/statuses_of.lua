#!lua flags=no-writes
--- Read the status of several invocations; false for one that is not known.
-- @version 4
-- @key statuses
-- @item invocation_id id
-- @returns OK statuses
-- @cost O(n) for n items
--[[% use "lib/unpack.lua" %]]
local found = {}
for i = 1, item_count do
  local packed = redis.call("HGET", statuses, (item(i)))
  found[i] = packed and (unpack_field(packed, 1))
end
return { "OK", found }
