#!lua flags=no-writes
--- Read a page of invocations, the newest registration first, behind `offset` of them.
--- They are of a task (or of all, if it is empty) and in some statuses (or in all).
-- @version 4
-- @key registered
-- @key task_index
-- @arg task str
-- @arg offset int
-- @arg count count
-- @item status id
-- @returns OK invocation_ids
-- @cost O(log N + count), and per task and status O(log N log T) for a deep page
--[[% use "lib/task_names.lua" %]]
--[[% use "lib/distinct.lua" %]]
--[[% use "lib/statuses_of_task.lua" %]]
--[[% use "lib/newest.lua" %]]
if task == "" and item_count == 0 then
  return { "OK", redis.call("ZREVRANGE", registered, offset, offset + count - 1) }
end
local wanted = distinct(item_count, item)
local prefixes = {}
for _, name in ipairs(task == "" and task_names() or { task }) do
  if item_count == 0 then
    for _, status in ipairs(statuses_of_task(name)) do
      prefixes[#prefixes + 1] = pack(name, status)
    end
  end
  for _, status in ipairs(wanted) do
    prefixes[#prefixes + 1] = pack(name, status)
  end
end
return { "OK", newest(task_index, prefixes, 0, 2 ^ 52, offset, count) }
