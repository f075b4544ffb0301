#!lua
--- Verify a page of `statuses`: all that a status implies is there.
-- @version 15
-- @key statuses
-- @key registered
-- @key open
-- @key expiring
-- @key task_index
-- @key concurrency
-- @key invocations
-- @key index
-- @key history
-- @key history_times
-- @key results
-- @key exceptions
-- @key queue
-- @key queued
-- @key queue_sequence
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_score.lua" %]]
--[[% use "lib/readable_status.lua" %]]
--[[% use "lib/readable_history.lua" %]]
--[[% use "lib/status_machine.lua" %]]
--[[% use "lib/status_members.lua" %]]
--[[% use "lib/argument_members.lua" %]]
--[[% use "lib/call_member.lua" %]]
--[[% use "lib/history_record.lua" %]]
--[[% use "lib/append_history.lua" %]]
--[[% use "lib/enqueue.lua" %]]
-- Where each step is one commit: the invocation was stored with its status, each status is in its
-- history, and one that is free to run is in a queue. One with a call id was registered for an app
-- whose state or queue is kept elsewhere.
local function check_history(invocation_id, record)
  local records = redis.call("HGET", history, invocation_id) or ""
  local found = readable_list(records)
  if not found then
    return
  end
  local last = readable_history(found[#found])
  if not last or last[1] ~= record.at_us or last[2] ~= record.status or last[3] ~= record.owner then
    local text = "its last record is not its status, " .. record.status
    report("missing", history, invocation_id, text, function()
      local context_id = record.owner or ""
      local entry = history_record(record, context_id)
      append_history(invocation_id, records, entry, record.at_us)
    end)
  end
end

local function check_outcome(invocation_id, status)
  if status == "success" and redis.call("HEXISTS", results, invocation_id) == 0 then
    report("lost", results, invocation_id, "it ended with a result that is gone")
  elseif status == "failed" and redis.call("HEXISTS", exceptions, invocation_id) == 0 then
    report("lost", exceptions, invocation_id, "it ended with an exception that is gone")
  end
end

local function check_commits(invocation_id, record)
  check_history(invocation_id, record)
  check_outcome(invocation_id, record.status)
  if is(record.status, "available") and redis.call("HEXISTS", queued, invocation_id) == 0 then
    local text = "it is free to run, but in no queue"
    report("unqueued", queued, invocation_id, text, function()
      enqueue(invocation_id, record.queue, record.priority)
    end)
  end
end

local function check(invocation_id, packed)
  local record = readable_status(packed)
  -- Without its records, what else there is of an invocation belongs to nothing.
  local forget = {}
  for i, records in ipairs({ statuses, invocations, history }) do
    forget[i] = { "HDEL", records, invocation_id }
  end
  if not record then
    report("unreadable", statuses, invocation_id, "it is no status", unpack(forget))
    return
  end
  if record.call == "" and redis.call("HEXISTS", invocations, invocation_id) == 0 then
    local text = "it has a status, but no record to run it by"
    report("lost", invocations, invocation_id, text, unpack(forget))
    return
  end
  local text = "it is " .. record.status
  local times = is(record.status, "final") and expiring or open
  expect_score(registered, invocation_id, record.registered_us, invocation_id, text)
  expect_score(times, invocation_id, record.at_us, invocation_id, text)
  expect_member(task_index, task_member(invocation_id, record), 0, invocation_id, text)
  for _, member in ipairs(concurrency_members(invocation_id, record)) do
    expect_member(concurrency, member, 0, invocation_id, text)
  end
  for _, member in ipairs(argument_members(invocation_id, record)) do
    expect_member(concurrency, member, 0, invocation_id, "it has an argument")
  end
  if record.call == "" then
    check_commits(invocation_id, record)
  else
    local member = call_member(record.call, invocation_id)
    expect_member(index, member, 0, invocation_id, "it is registered for a call")
  end
end
local next_cursor, looked_at = look_at("HSCAN", statuses, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
