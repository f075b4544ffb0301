#!lua
--- Verify a page of `registered`, `open` or `expiring`.
--- Each member has a status that puts it there.
-- @version 9
-- @key statuses
-- @key registered
-- @key open
-- @key expiring
-- @arg collection id
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/readable_status.lua" %]]
--[[% use "lib/status_machine.lua" %]]
local times = ({ registered = registered, open = open, expiring = expiring })[collection]

local function check(invocation_id)
  local packed = redis.call("HGET", statuses, invocation_id)
  local record = readable_status(packed)
  if not packed then
    remove_stray(times, invocation_id, invocation_id, "it has no status")
  elseif record and collection ~= "registered" then
    local belongs = is(record.status, "final") and "expiring" or "open"
    if belongs ~= collection then
      remove_stray(times, invocation_id, invocation_id, "it is " .. record.status)
    end
  end
end
local next_cursor, looked_at = look_at("ZSCAN", times, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
