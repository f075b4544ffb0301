#!lua flags=no-writes
--- Read one page of the invocations of a task, the oldest first.
--- They are in some statuses (or in all). Each entry is the time of registration (16 digits) and the id; the next page goes on behind the
--- last one. All statuses are read at once: one that changes its status between two pages is neither
--- missed nor repeated.
-- @version 4
-- @key task_index
-- @arg task id
-- @arg after bytes
-- @arg count count
-- @item status id
-- @returns PAGE entries
-- @cost O(s (log N + count)) for s statuses
--[[% use "lib/statuses_of_task.lua" %]]
--[[% use "lib/distinct.lua" %]]
--[[% use "lib/merge.lua" %]]
local prefixes = {}
for _, status in ipairs(item_count == 0 and statuses_of_task(task) or distinct(item_count, item)) do
  prefixes[#prefixes + 1] = pack(task, status)
end
local function read(prefix)
  local first, last = "(" .. prefix .. after, "(" .. prefix .. "\255"
  return redis.call("ZRANGE", task_index, first, last, "BYLEX", "LIMIT", 0, count)
end
return { "PAGE", merge(prefixes, read, earlier, 0, count) }
