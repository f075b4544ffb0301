--[[% use "lib/look_at_submission.lua" %]]
--[[% use "lib/put_invocation.lua" %]]
--[[% use "lib/register.lua" %]]
--[[% use "lib/record_status_behind.lua" %]]
--[[% use "lib/enqueue_at.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
-- The numbers of those that are new of what lib/look_at_submission.lua `found`, and the number of the last
-- one of each id: what comes twice has the control of its last. Those that are known take over what
-- concurrency control of them is now.
local function new_ones(columns, found)
  local new, last = {}, {}
  for i, id in ipairs(found.ids) do
    if not found.statuses[i] and not last[id] then
      new[#new + 1] = i
    end
    last[id] = i
  end
  if #new < #found.ids then
    --[[% inline "lib/renew_known.lua" %]]
    renew_known(columns, found)
  end
  return new, last
end

-- Store, register, record and queue invocations in view of what was `found` of them, and tell how many
-- were new. `by` is who submits them, and how: owner, context, operation, queue, priority.
local function submit(columns, found, by, notes)
  local new, last = new_ones(columns, found)
  local write = nil
  -- For one of them it would cost more than it saves.
  if new[2] then
    --[[% inline "lib/gather.lua" %]]
    put, write = gather, write_gathered
  end
  local number = new[1] and redis.call("INCRBY", queue_sequence, #new) - #new
  local first_us = now_us()
  for order, i in ipairs(new) do
    local id, stored, serialized, task = columns(i)
    local _, _, _, _, slot, unique, reroutes, digests = columns(last[id])
    local at_us = decimal(first_us + i - 1)
    local record = {
      status = "registered",
      owner = by.owner,
      at_us = at_us,
      op = by.op,
      retries = "0",
      registered_us = at_us,
      task = task,
      queue = by.queue,
      priority = by.priority,
      slot = slot,
      unique = unique,
      reroutes = reroutes,
      digests = digests,
      call = "",
    }
    put_invocation(found.invocations[i], id, stored, found.members[i], serialized)
    register(id, record)
    record_status_behind(found.history[i], id, record, by.context_id, notes, found.parents[i])
    enqueue_at(number + order, found.queued[i], id, by.queue, by.priority)
  end
  if write then
    write()
  end
  return #new
end
