--[[% use "lib/pack.lua" %]]
-- Store a table of lib/read_status.lua.
local function write_status(invocation_id, record)
  local packed = pack(record.status)
    .. record.owner
    .. pack(record.at_us)
    .. pack(record.op)
    .. pack(record.retries)
    .. pack(record.registered_us)
    .. pack(record.task)
    .. pack(record.queue)
    .. pack(record.priority)
    .. pack(record.slot)
    .. pack(record.unique)
    .. pack(record.reroutes)
    .. pack(record.digests)
    .. pack(record.call)
  redis.call("HSET", statuses, invocation_id, packed)
end
