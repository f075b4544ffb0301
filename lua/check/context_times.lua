#!lua
--- Verify a page of `context_times`.
--- Each is of a context that is stored.
-- @version 4
-- @key runner_contexts
-- @key context_times
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/remove_stray.lua" %]]
local function check(runner_id)
  if redis.call("HEXISTS", runner_contexts, runner_id) == 0 then
    remove_stray(context_times, runner_id, runner_id, "there is no such context")
  end
end
local next_cursor, looked_at = look_at("ZSCAN", context_times, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
