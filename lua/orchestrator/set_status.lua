#!lua
--- Change the status of an invocation by pynenc's rules.
--- It is for apps whose state is kept elsewhere. Replies with what stands: the new record, or the one that refuses the change.
-- @version 13
-- @key statuses
-- @key open
-- @key expiring
-- @key task_index
-- @key concurrency
-- @key waits
-- @key blocking
-- @arg invocation_id id
-- @arg status id
-- @arg owner bytes
-- @arg op id
-- @returns OK owner time | REFUSED status owner time | UNKNOWN
-- @cost O(log N), and up to 250 who wait for an invocation that becomes final
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/is_refused.lua" %]]
--[[% use "lib/set_status.lua" %]]
local record = read_status(invocation_id)
if not record then
  return { "UNKNOWN" }
end
if record.op ~= op then
  local runner_id = cmsgpack.unpack(owner)
  if is_refused(record, status, runner_id) then
    return { "REFUSED", record.status, pack(record.owner), record.at_us }
  end
  start_writing()
  set_status(invocation_id, record, status, runner_id, op)
end
return { "OK", pack(record.owner), record.at_us }
