#!lua
--- Verify a page of `blocking`.
--- Each member is waited for, waits for none and is free to run.
-- @version 9
-- @key statuses
-- @key waits
-- @key blocking
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/readable_status.lua" %]]
--[[% use "lib/status_machine.lua" %]]
--[[% use "lib/waits.lua" %]]
local function check(invocation_id)
  local packed = redis.call("HGET", statuses, invocation_id)
  local record = readable_status(packed)
  if not packed then
    remove_stray(blocking, invocation_id, invocation_id, "it has no status")
  elseif record and not is(record.status, "available") then
    remove_stray(blocking, invocation_id, invocation_id, "it is " .. record.status)
  elseif not edges("by", invocation_id, 1)[1] then
    remove_stray(blocking, invocation_id, invocation_id, "nobody waits for it")
  elseif edges("for", invocation_id, 1)[1] then
    remove_stray(blocking, invocation_id, invocation_id, "it waits for others")
  end
end
local next_cursor, looked_at = look_at("ZSCAN", blocking, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
