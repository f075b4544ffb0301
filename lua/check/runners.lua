#!lua
--- Verify a page of `runners`.
--- Each has a heartbeat.
-- @version 7
-- @key runners
-- @key heartbeats
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_integer.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
local now = decimal(now_us())

local function check(runner_id, said)
  local fields = readable_list(said, 3)
  if not fields or not is_integer(fields[1]) or not readable_list(fields[3] or "") then
    report("unreadable", runners, runner_id, "it is no runner", { "HDEL", runners, runner_id })
    return
  end
  -- Heard of now: the work of one that is alive must not be taken for orphaned.
  expect_member(heartbeats, runner_id, now, runner_id, "the runner is known")
end
local next_cursor, looked_at = look_at("HSCAN", runners, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
