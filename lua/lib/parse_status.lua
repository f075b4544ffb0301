--[[% use "lib/pack.lua" %]]
-- A record of `statuses` as a table. `owner` stays packed, so that none and empty are two things.
local function parse_status(packed)
  local record, owner = {}
  record.status, owner, record.at_us, record.op, record.retries, record.registered_us, record.task,
    record.queue, record.priority, record.slot, record.unique, record.reroutes, record.digests, record.call =
    cmsgpack.unpack(packed)
  record.owner = pack(owner)
  return record
end
