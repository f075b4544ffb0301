#!lua
--- Store the contexts of runners.
-- @version 1
-- @key runner_contexts
-- @item runner_id id
-- @item context bytes
-- @returns OK
-- @cost O(n) for n items
start_writing()
for i = 1, item_count do
  redis.call("HSET", runner_contexts, item(i))
end
return { "OK" }
