--[[% use "lib/upsert_invocation.lua" %]]
--[[% use "lib/register.lua" %]]
--[[% use "lib/renew_control.lua" %]]
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/parent_of.lua" %]]
--[[% use "lib/record_status.lua" %]]
--[[% use "lib/enqueue.lua" %]]
-- The registered invocation that stands for all with that registration concurrency key, or nil.
local function registered_one(unique_key)
  local prefix = pack("unique", unique_key)
  local last = "(" .. prefix .. "\255"
  local found = redis.call("ZRANGE", concurrency, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 1)[1]
  return found and (unpack_field(found, #prefix + 1))
end

-- Store, register, record and queue an invocation (`stored`, its `members` of the index, `serialized`
-- arguments, its status `record`), and tell that it was new; of one that is known, take over what
-- concurrency control of it is now.
local function submit(invocation_id, record, stored, members, serialized, context_id, notes)
  local known = read_status(invocation_id)
  if known then
    local control = { record.slot, record.unique, record.reroutes, record.digests }
    renew_control(invocation_id, known, unpack(control))
    return false
  end
  record.registered_us, record.call = record.at_us, ""
  put_invocation(invocation_id, stored, members, serialized)
  register(invocation_id, record)
  record_status(invocation_id, record, context_id, notes, parent_of(stored))
  enqueue(invocation_id, record.queue, record.priority)
  return true
end
