--[[% use "lib/write_status.lua" %]]
--[[% use "lib/index_status.lua" %]]
--[[% use "lib/unindex_status.lua" %]]
--[[% use "lib/argument_members.lua" %]]
-- Take over what concurrency control of an invocation is now, if it is registered once more with
-- another configuration of its task.
local function renew_control(invocation_id, record, slot, unique, reroutes, digests)
  if
    record.slot == slot
    and record.unique == unique
    and record.reroutes == reroutes
    and record.digests == digests
  then
    return
  end
  unindex_status(invocation_id, record)
  for _, member in ipairs(argument_members(invocation_id, record)) do
    redis.call("ZREM", concurrency, member)
  end
  record.slot, record.unique, record.reroutes, record.digests = slot, unique, reroutes, digests
  for _, member in ipairs(argument_members(invocation_id, record)) do
    redis.call("ZADD", concurrency, 0, member)
  end
  index_status(invocation_id, record)
  write_status(invocation_id, record)
end
