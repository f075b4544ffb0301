#!lua
--- Verify a page of `trigger_runs`.
--- Each has its members of `trigger_run_index`.
-- @version 6
-- @key trigger_runs
-- @key trigger_run_index
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/readable_run.lua" %]]
local function check(run_id, packed)
  local time, prefixes = readable_run(packed)
  if not time then
    report("unreadable", trigger_runs, run_id, "it is no run", { "HDEL", trigger_runs, run_id })
    return
  end
  for _, prefix in ipairs(prefixes) do
    expect_member(trigger_run_index, prefix .. time .. run_id, 0, run_id, "the run is recorded")
  end
end
local next_cursor, looked_at = look_at("HSCAN", trigger_runs, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
