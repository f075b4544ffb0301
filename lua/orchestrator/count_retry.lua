#!lua
--- Count a retry of an invocation.
-- @version 9
-- @key statuses
-- @arg invocation_id id
-- @arg op id
-- @returns OK | UNKNOWN
-- @cost O(1)
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/write_status.lua" %]]
local record = read_status(invocation_id)
if not record then
  return { "UNKNOWN" }
end
if record.op ~= op then
  start_writing()
  record.retries = string.format("%.0f", tonumber(record.retries) + 1)
  record.op = op
  write_status(invocation_id, record)
end
return { "OK" }
