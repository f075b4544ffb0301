--[[% use "lib/pack.lua" %]]
--[[% use "lib/put.lua" %]]
-- Store a table of lib/parse_status.lua.
local function write_status(invocation_id, record)
  local packed = pack(
    record.status,
    record.owner,
    record.at_us,
    record.op,
    record.retries,
    record.registered_us,
    record.task,
    record.queue,
    record.priority,
    record.slot,
    record.unique,
    record.reroutes,
    record.digests,
    record.call
  )
  put("HSET", statuses, invocation_id, packed)
end
