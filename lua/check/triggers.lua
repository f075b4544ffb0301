#!lua
--- Verify a page of `triggers`.
--- Each is found by its task and its conditions.
-- @version 6
-- @key triggers
-- @key condition_index
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/trigger_members.lua" %]]
local function check(trigger_id, packed)
  local fields = readable_trigger(packed)
  if not fields then
    report("unreadable", triggers, trigger_id, "it is no trigger", { "HDEL", triggers, trigger_id })
    return
  end
  for _, member in ipairs(trigger_members(trigger_id, fields)) do
    expect_member(condition_index, member, 0, trigger_id, "the trigger is stored")
  end
end
local next_cursor, looked_at = look_at("HSCAN", triggers, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
