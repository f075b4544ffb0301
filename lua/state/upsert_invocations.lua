#!lua
--- Insert or update invocations with their arguments and indexes.
--- A history record comes with each item that has one. A batch is one commit.
-- @version 1
-- @key invocations
-- @key arguments
-- @key index
-- @key history
-- @key history_times
-- @key runner_contexts
-- @arg contexts bytes
-- @item invocation_id id
-- @item record bytes
-- @item serialized_arguments bytes
-- @item history_record bytes
-- @item history_us us
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/index_members.lua" %]]
--[[% use "lib/add_history.lua" %]]
--[[% use "lib/add_runner_contexts.lua" %]]
local function put(invocation_id, record)
  local known = redis.call("HGET", invocations, invocation_id)
  if known == record then
    return
  end
  if known then
    redis.call("ZREM", index, unpack(index_members(invocation_id, known)))
  end
  redis.call("HSET", invocations, invocation_id, record)
  for _, member in ipairs(index_members(invocation_id, record)) do
    redis.call("ZADD", index, 0, member)
  end
end

start_writing()
add_runner_contexts(contexts)
for i = 1, item_count do
  local invocation_id, record, serialized_arguments, history_record, history_us = item(i)
  put(invocation_id, record)
  if serialized_arguments == "" then
    redis.call("HDEL", arguments, invocation_id)
  else
    redis.call("HSET", arguments, invocation_id, serialized_arguments)
  end
  if history_record ~= "" then
    add_history(invocation_id, history_record, history_us)
  end
end
return { "OK" }
