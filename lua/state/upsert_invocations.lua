#!lua
--- Insert or update invocations with their arguments and indexes.
--- A history record comes with each item that has one. A batch is one commit.
-- @version 15
-- @key invocations
-- @key arguments
-- @key index
-- @key history
-- @key history_times
-- @key runner_contexts
-- @key context_times
-- @key client_data_uses
-- @arg contexts bytes
-- @item invocation_id id
-- @item record bytes
-- @item serialized_arguments bytes
-- @item history_record bytes
-- @item history_us us
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/known_invocations.lua" %]]
--[[% use "lib/put_invocation.lua" %]]
--[[% use "lib/add_history.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
--[[% use "lib/store_contexts.lua" %]]
local ids, members = {}, {}
for i = 1, item_count do
  local invocation_id, record = item(i)
  ids[i], members[i] = invocation_id, index_members(invocation_id, record)
end
known_invocations(ids)
local context_list = parse_pairs(contexts)
start_writing()
store_contexts(context_list)
for i = 1, item_count do
  local invocation_id, record, serialized_arguments, history_record, history_us = item(i)
  -- Not what was known before: an id may come twice.
  local known = redis.call("HGET", invocations, invocation_id)
  put_invocation(known, invocation_id, record, members[i], serialized_arguments)
  if history_record ~= "" then
    add_history(invocation_id, history_record, history_us)
  end
end
return { "OK" }
