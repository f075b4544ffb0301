#!lua flags=no-writes
--- Read one page of the invocations of a task, as members of the index behind `after`.
--- With a status, those in that status alone.
-- @version 1
-- @key task_index
-- @arg prefix bytes
-- @arg after bytes
-- @arg count count
-- @returns PAGE members
-- @cost O(log N + count)
local first = after == "" and "[" .. prefix or "(" .. after
return {
  "PAGE",
  redis.call("ZRANGE", task_index, first, "(" .. prefix .. "\255", "BYLEX", "LIMIT", 0, count),
}
