#!lua flags=no-writes
--- Read the status of an invocation.
-- @version 3
-- @key statuses
-- @arg invocation_id id
-- @returns FOUND status owner time retries queue priority | UNKNOWN
-- @cost O(1)
--[[% use "lib/read_status.lua" %]]
local record = read_status(invocation_id)
if not record then
  return { "UNKNOWN" }
end
return {
  "FOUND",
  record.status,
  record.owner,
  record.at_us,
  record.retries,
  record.queue,
  record.priority,
}
