#!lua flags=no-writes
--- Read the triggers of conditions: for each condition a list of (id, trigger).
-- @version 4
-- @key condition_index
-- @key triggers
-- @item condition_id id
-- @returns OK triggers
-- @cost O(n log N) for n items, and their triggers
--[[% use "lib/indexed.lua" %]]
local found = {}
for i = 1, item_count do
  local of_condition = {}
  for n, trigger_id in ipairs(indexed(pack("by", (item(i))))) do
    of_condition[n] = { trigger_id, redis.call("HGET", triggers, trigger_id) }
  end
  found[i] = of_condition
end
return { "OK", found }
