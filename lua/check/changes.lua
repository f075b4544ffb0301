#!lua
--- Verify a page of `changes`.
--- Each can be read.
-- @version 8
-- @key changes
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/findings.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_integer.lua" %]]
--[[% use "lib/is_status.lua" %]]
local function check(member)
  local fields = readable_list(member, 4)
  if not fields or not (fields[1] and fields[2] and is_status(fields[3] or "") and is_integer(fields[4])) then
    report("unreadable", changes, member, "it is no change of a status", { "ZREM", changes, member })
  end
end
local next_cursor, looked_at = look_at("ZSCAN", changes, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
