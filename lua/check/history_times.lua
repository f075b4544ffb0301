#!lua
--- Verify a page of `history_times`: each member refers to a record.
-- @version 10
-- @key history
-- @key history_times
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/readable_field.lua" %]]
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/record_at.lua" %]]
--[[% use "lib/time_member.lua" %]]
local function check(member)
  local position, invocation_id = record_at(member)
  local records = redis.call("HGET", history, invocation_id or "") or ""
  if not invocation_id or position < 1 or not readable_field(records, position) then
    local text = "there is no record at byte " .. (position or 0)
    remove_stray(history_times, member, invocation_id or "", text)
  elseif member ~= time_member(position, time_name(invocation_id)) then
    remove_stray(history_times, member, invocation_id, "the record has another member")
  end
end
local next_cursor, looked_at = look_at("ZSCAN", history_times, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
