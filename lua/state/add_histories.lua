#!lua
--- Append history records, and the contexts of the runners that they name.
-- @version 11
-- @key history
-- @key history_times
-- @key runner_contexts
-- @key context_times
-- @arg contexts bytes
-- @item invocation_id id
-- @item record bytes
-- @item at_us us
-- @returns OK
-- @cost O(n log N) for n items, and the length of each one's history
--[[% use "lib/add_history.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
--[[% use "lib/store_contexts.lua" %]]
local context_list = parse_pairs(contexts)
start_writing()
store_contexts(context_list)
for i = 1, item_count do
  local invocation_id, record, at_us = item(i)
  add_history(invocation_id, record, at_us)
end
return { "OK" }
