#!lua flags=no-writes
--- Read the contexts of runners; those that are not stored are left out.
-- @version 2
-- @key runner_contexts
-- @item runner_id id
-- @returns OK contexts
-- @cost O(n) for n items
local contexts = {}
for i = 1, item_count do
  contexts[#contexts + 1] = redis.call("HGET", runner_contexts, (item(i))) or nil
end
return { "OK", contexts }
