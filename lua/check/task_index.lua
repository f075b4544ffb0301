#!lua
--- Verify a page of `task_index`: each member is that of a status.
-- @version 10
-- @key statuses
-- @key task_index
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/readable_field.lua" %]]
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/expect_equal.lua" %]]
--[[% use "lib/readable_status.lua" %]]
--[[% use "lib/task_member.lua" %]]
-- Behind two packed fields come 16 digits of time and the invocation.
local function invocation_of(member)
  local _, second = readable_field(member, 1)
  local _, third = readable_field(member, second or 1)
  return second and third and string.sub(member, third + 16) or ""
end

local function check(member, score)
  local invocation_id = invocation_of(member)
  local packed = redis.call("HGET", statuses, invocation_id)
  local record = readable_status(packed)
  if not packed then
    remove_stray(task_index, member, invocation_id, "it has no status")
  elseif record and member ~= task_member(invocation_id, record) then
    remove_stray(task_index, member, invocation_id, "its status is another one")
  else
    expect_equal(task_index, member, score, 0, invocation_id)
  end
end
local next_cursor, looked_at = look_at("ZSCAN", task_index, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
