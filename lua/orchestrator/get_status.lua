#!lua flags=no-writes
--- Read the status of an invocation, and its result if it succeeded.
--- A result larger than `result_bytes` is left where it is. Who waits wants both.
-- @version 6
-- @key statuses
-- @key results
-- @arg invocation_id id
-- @arg result_bytes int
-- @returns FOUND status owner time retries queue priority result | UNKNOWN
-- @cost O(1)
--[[% use "lib/pack.lua" %]]
--[[% use "lib/read_status.lua" %]]
local record = read_status(invocation_id)
if not record then
  return { "UNKNOWN" }
end
local result = false
if record.status == "success" and redis.call("HSTRLEN", results, invocation_id) <= result_bytes then
  result = redis.call("HGET", results, invocation_id)
end
return {
  "FOUND",
  record.status,
  pack(record.owner),
  record.at_us,
  record.retries,
  record.queue,
  record.priority,
  result,
}
