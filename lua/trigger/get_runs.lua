#!lua flags=no-writes
--- Read runs of triggers; false for one that is not stored.
-- @version 4
-- @key trigger_runs
-- @item run_id id
-- @returns OK runs
-- @cost O(n) for n items
--[[% use "lib/unpack_list.lua" %]]
local found = {}
for i = 1, item_count do
  local packed = redis.call("HGET", trigger_runs, (item(i)))
  found[i] = packed and unpack_list(packed)[3]
end
return { "OK", found }
