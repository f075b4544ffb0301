#!lua
--- Store the contexts of runners.
-- @version 5
-- @key runner_contexts
-- @key context_times
-- @item runner_id id
-- @item context bytes
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/store_contexts.lua" %]]
start_writing()
for i = 1, item_count do
  store_contexts({ item(i) })
end
return { "OK" }
