#!lua flags=no-writes
--- Count the invocations of a task (or of all, if it is empty) in some statuses (or in all).
-- @version 4
-- @key registered
-- @key task_index
-- @arg task str
-- @item status id
-- @returns OK count
-- @cost O(n log N) for n items; without a task, for each task
--[[% use "lib/task_names.lua" %]]
--[[% use "lib/distinct.lua" %]]
if task == "" and item_count == 0 then
  return { "OK", redis.call("ZCARD", registered) }
end
local function within(prefix)
  return redis.call("ZLEXCOUNT", task_index, "[" .. prefix, "(" .. prefix .. "\255")
end
local wanted = distinct(item_count, item)
local count = 0
for _, name in ipairs(task == "" and task_names() or { task }) do
  if item_count == 0 then
    count = count + within(pack(name))
  end
  for _, status in ipairs(wanted) do
    count = count + within(pack(name, status))
  end
end
return { "OK", count }
