#!lua
--- Verify a page of `concurrency`: each member is that of a status.
-- @version 9
-- @key statuses
-- @key concurrency
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/expect_equal.lua" %]]
--[[% use "lib/readable_status.lua" %]]
--[[% use "lib/concurrency_members.lua" %]]
--[[% use "lib/argument_members.lua" %]]
local function is_of(member, invocation_id, record)
  for _, list in ipairs({
    concurrency_members(invocation_id, record),
    argument_members(invocation_id, record),
  }) do
    for _, known in ipairs(list) do
      if known == member then
        return true
      end
    end
  end
  return false
end

local function check(member, score)
  local fields = readable_list(member) or {}
  local relation, invocation_id = fields[1] or "", fields[#fields] or ""
  local packed = redis.call("HGET", statuses, invocation_id)
  local record = readable_status(packed)
  if not packed then
    remove_stray(concurrency, member, invocation_id, "it has no status: " .. relation)
  elseif record and not is_of(member, invocation_id, record) then
    remove_stray(concurrency, member, invocation_id, "its status does not imply it: " .. relation)
  else
    expect_equal(concurrency, member, score, 0, invocation_id)
  end
end
local next_cursor, looked_at = look_at("ZSCAN", concurrency, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
