#!lua
--- Verify a page of `service_times`.
--- Each is of an execution that is recorded.
-- @version 4
-- @key services
-- @key service_times
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/remove_stray.lua" %]]
local function check(id)
  if redis.call("HEXISTS", services, id) == 0 then
    remove_stray(service_times, id, id, "there is no such execution")
  end
end
local next_cursor, looked_at = look_at("ZSCAN", service_times, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
