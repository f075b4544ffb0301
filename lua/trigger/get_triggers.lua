#!lua flags=no-writes
--- Read triggers; false for one that is not stored.
-- @version 2
-- @key triggers
-- @item trigger_id id
-- @returns OK triggers
-- @cost O(n) for n items
local found = {}
for i = 1, item_count do
  found[i] = redis.call("HGET", triggers, (item(i)))
end
return { "OK", found }
