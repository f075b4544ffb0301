#!lua
--- Verify a page of `history_times`: each member refers to a record.
-- @version 4
-- @key history
-- @key history_times
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/readable_field.lua" %]]
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_integer.lua" %]]
local function check(member)
  local fields = readable_list(member, 2) or {}
  local invocation_id = fields[2] or ""
  local records = redis.call("HGET", history, invocation_id) or ""
  local place = is_integer(fields[1]) and tonumber(fields[1]) or 0
  if place < 1 or not readable_field(records, place) then
    remove_stray(history_times, member, invocation_id, "there is no record at byte " .. place)
  end
end
local next_cursor, looked_at = look_at("ZSCAN", history_times, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
