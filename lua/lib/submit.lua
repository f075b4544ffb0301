--[[% use "lib/read_many.lua" %]]
--[[% use "lib/put_invocation.lua" %]]
--[[% use "lib/register.lua" %]]
--[[% use "lib/renew_control.lua" %]]
--[[% use "lib/parse_status.lua" %]]
--[[% use "lib/parent_of.lua" %]]
--[[% use "lib/record_status_behind.lua" %]]
--[[% use "lib/enqueue_at.lua" %]]
--[[% use "lib/unpack.lua" %]]
--[[% use "lib/gather.lua" %]]
-- The registered invocation that stands for all with that registration concurrency key, or nil.
local function registered_one(unique_key)
  local prefix = pack("unique", unique_key)
  local last = "(" .. prefix .. "\255"
  local found = redis.call("ZRANGE", concurrency, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 1)[1]
  return found and (unpack_field(found, #prefix + 1))
end

-- Those of the submissions that are new, and their ids; of those that are known, take over what
-- concurrency control of them is now. What comes twice has the control of its last.
local function not_known(submissions)
  local ids, new, new_ids, seen = {}, {}, {}, {}
  for i, one in ipairs(submissions) do
    ids[i] = one.invocation_id
  end
  local records, known = read_many(statuses, ids), {}
  for i, one in ipairs(submissions) do
    local id, record = one.invocation_id, one.record
    if records[i] then
      local control = { record.slot, record.unique, record.reroutes, record.digests }
      known[id] = known[id] or parse_status(records[i])
      renew_control(id, known[id], unpack(control))
    elseif seen[id] then
      seen[id].record = record
    else
      seen[id], new[#new + 1], new_ids[#new_ids + 1] = one, one, id
    end
  end
  return new, new_ids
end

-- Store, register, record and queue invocations (see lib/submission.lua), and tell how many were new.
local function submit(submissions, context_id, notes)
  local new, ids = not_known(submissions)
  -- For one of them it would cost more than it saves.
  if new[2] then
    put = gather
  end
  local known = read_many(invocations, ids)
  local histories, places = read_many(history, ids), read_many(queued, ids)
  local number = new[1] and redis.call("INCRBY", queue_sequence, #new) - #new
  for i, one in ipairs(new) do
    local id, record = one.invocation_id, one.record
    record.registered_us, record.call = record.at_us, ""
    put_invocation(known[i], id, one.stored, one.members, one.serialized)
    register(id, record)
    record_status_behind(histories[i], id, record, context_id, notes, parent_of(one.stored))
    enqueue_at(number + i, places[i], id, record.queue, record.priority)
  end
  write_gathered()
  return #new
end
