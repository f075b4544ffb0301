#!lua flags=no-writes
--- Read conditions; false for one that is not stored.
-- @version 2
-- @key conditions
-- @item condition_id id
-- @returns OK conditions
-- @cost O(n) for n items
local found = {}
for i = 1, item_count do
  found[i] = redis.call("HGET", conditions, (item(i)))
end
return { "OK", found }
