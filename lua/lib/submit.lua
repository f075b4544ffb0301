--[[% use "lib/read_many.lua" %]]
--[[% use "lib/put_invocation.lua" %]]
--[[% use "lib/register.lua" %]]
--[[% use "lib/renew_control.lua" %]]
--[[% use "lib/parse_status.lua" %]]
--[[% use "lib/record_status_behind.lua" %]]
--[[% use "lib/enqueue_at.lua" %]]
--[[% use "lib/unpack.lua" %]]
--[[% use "lib/gather.lua" %]]
local function is_any(values)
  for _, value in ipairs(values) do
    if value then
      return true
    end
  end
  return false
end

-- The registered invocation that stands for all with that registration concurrency key, or nil.
local function registered_one(unique_key)
  local prefix = pack("unique", unique_key)
  local last = "(" .. prefix .. "\255"
  local found = redis.call("ZRANGE", concurrency, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 1)[1]
  return found and (unpack_field(found, #prefix + 1))
end

-- What is there already of what is submitted, in the order of the submissions: all reading is done here,
-- so that each key meets its type before the first write.
local function found_of(submissions, notes)
  local ids, watches, controls, uses = {}, false, false, false
  for i, one in ipairs(submissions) do
    local record = one.record
    ids[i] = one.invocation_id
    watches = watches or notes == 1 and is_watched(record.task, "registered")
    controls = controls or record.unique ~= "" or record.digests ~= ""
    uses = uses or refers(one.serialized)
  end
  local found = {
    statuses = read_many(statuses, ids),
    invocations = read_many(invocations, ids),
    history = read_many(history, ids),
    queued = read_many(queued, ids),
  }
  -- Those that are known may have had other control.
  if controls or is_any(found.statuses) then
    redis.call("ZCARD", concurrency)
  end
  if watches then
    redis.call("ZCARD", changes)
  end
  if uses then
    redis.call("ZCARD", client_data_uses)
  end
  return found
end

-- The numbers of those submissions that are new; of those that are known, take over what concurrency
-- control of them is now. What comes twice has the control of its last.
local function not_known(submissions, found)
  local new, known, first = {}, {}, {}
  for i, one in ipairs(submissions) do
    local id, record = one.invocation_id, one.record
    if found[i] then
      local control = { record.slot, record.unique, record.reroutes, record.digests }
      known[id] = known[id] or parse_status(found[i])
      renew_control(id, known[id], unpack(control))
    elseif first[id] then
      first[id].record = record
    else
      first[id], new[#new + 1] = one, i
    end
  end
  return new
end

-- Store, register, record and queue invocations (see lib/submission.lua) in view of what was `found` of
-- them, and tell how many were new.
local function submit(submissions, found, context_id, notes)
  local new = not_known(submissions, found.statuses)
  -- For one of them it would cost more than it saves.
  if new[2] then
    put = gather
  end
  local number = new[1] and redis.call("INCRBY", queue_sequence, #new) - #new
  for order, i in ipairs(new) do
    local one = submissions[i]
    local id, record = one.invocation_id, one.record
    record.registered_us, record.call = record.at_us, ""
    put_invocation(found.invocations[i], id, one.stored, one.members, one.serialized)
    register(id, record)
    record_status_behind(found.history[i], id, record, context_id, notes, one.parent)
    enqueue_at(number + order, found.queued[i], id, record.queue, record.priority)
  end
  write_gathered()
  return #new
end
