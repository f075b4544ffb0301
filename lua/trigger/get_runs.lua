#!lua flags=no-writes
--- Read runs of triggers; false for one that is not stored.
-- @version 1
-- @key trigger_runs
-- @item run_id id
-- @returns OK runs
-- @cost O(n) for n items
--[[% use "lib/unpack.lua" %]]
local found = {}
for i = 1, item_count do
  local packed, run = redis.call("HGET", trigger_runs, (item(i))), false
  if packed then
    local position = 1
    for _ = 1, 3 do
      run, position = unpack_field(packed, position)
    end
  end
  found[i] = run
end
return { "OK", found }
