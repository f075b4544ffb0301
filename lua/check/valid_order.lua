#!lua
--- Verify a page of `valid_order`.
--- Each is of a valid condition that is recorded.
-- @version 4
-- @key valid_conditions
-- @key valid_order
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/remove_stray.lua" %]]
local function check(entry_id)
  if redis.call("HEXISTS", valid_conditions, entry_id) == 0 then
    remove_stray(valid_order, entry_id, entry_id, "there is no such valid condition")
  end
end
local next_cursor, looked_at = look_at("ZSCAN", valid_order, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
