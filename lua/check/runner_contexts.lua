#!lua
--- Verify a page of `runner_contexts`.
--- Each has a time, by which retention finds it.
-- @version 5
-- @key runner_contexts
-- @key context_times
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
local now = decimal(now_us())

local function check(runner_id)
  expect_member(context_times, runner_id, now, runner_id, "there is a context")
end
local next_cursor, looked_at = look_at("HSCAN", runner_contexts, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
