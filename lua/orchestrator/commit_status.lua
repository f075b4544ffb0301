#!lua
--- Change the status of an invocation by pynenc's rules and record it.
--- A final one comes with a result or an exception (`outcome` says which, empty for none). Who is
--- not the owner is refused before anything is stored. To start an invocation is refused (TAKEN) while
--- another one runs in the slot of its running concurrency control. `more` says whether
--- orchestrator/release has to release more of those that wait. `written_us` is 0, or when the change was
--- made on a server that may have lost it: who knows of that time or a later one refuses.
-- @version 16
-- @key statuses read first
-- @key open
-- @key expiring if is(status, "final")
-- @key task_index
-- @key concurrency read first
-- @key waits if is(status, "final") or is(status, "available")
-- @key blocking
-- @key history read first
-- @key history_times
-- @key runner_contexts if contexts ~= ""
-- @key context_times if contexts ~= ""
-- @key condition_index read first
-- @key changes read first
-- @key results if outcome == "result"
-- @key exceptions if outcome == "exception"
-- @key client_data_uses if refers(serialized)
-- @arg invocation_id id
-- @arg status id
-- @arg owner bytes
-- @arg context_id str
-- @arg contexts bytes
-- @arg op id
-- @arg notes int
-- @arg outcome str
-- @arg serialized bytes
-- @arg written_us us
-- @returns OK owner time task noted more | REFUSED status owner time | TAKEN status owner time | UNKNOWN
-- @resend written_us <- time
-- @cost O(log N), and up to 250 who wait for an invocation that becomes final
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/is_refused.lua" %]]
--[[% use "lib/is_known_since.lua" %]]
--[[% use "lib/set_status.lua" %]]
--[[% use "lib/refers.lua" %]]
--[[% use "lib/record_status_behind.lua" %]]
local record = read_status(invocation_id)
if not record then
  return { "UNKNOWN" }
end
local written = written_us ~= "0" and tonumber(written_us) or nil
if record.op ~= op then
  local runner_id = cmsgpack.unpack(owner)
  if is_known_since(record, written) or is_refused(record, status, runner_id) then
    return { "REFUSED", record.status, pack(record.owner), record.at_us }
  end
  if status == "running" and record.slot ~= "" then
    --[[% inline "lib/slot_taken.lua" %]]
    if slot_taken(record, invocation_id, "running") then
      return { "TAKEN", record.status, pack(record.owner), record.at_us }
    end
  end
  local records = redis.call("HGET", history, invocation_id)
  -- What is written only then must meet its type before the first write.
  if record.slot ~= "" or record.unique ~= "" then
    redis.call("ZCARD", concurrency)
  end
  if notes == 1 and is_watched(record.task, status) then
    redis.call("ZCARD", changes)
  end
  local list
  if contexts ~= "" then
    --[[% inline "lib/parse_pairs.lua" %]]
    list = parse_pairs(contexts)
  end
  start_writing()
  if list then
    --[[% inline "lib/store_contexts.lua" %]]
    store_contexts(list)
  end
  if outcome == "result" then
    redis.call("HSET", results, invocation_id, serialized)
  elseif outcome == "exception" then
    redis.call("HSET", exceptions, invocation_id, serialized)
  end
  if refers(serialized) then
    --[[% inline "lib/use_client_data.lua" %]]
    use_client_data(invocation_id, serialized)
  end
  set_status(invocation_id, record, status, runner_id, op, written)
  record_status_behind(records, invocation_id, record, context_id, notes)
end
local more = 0
if waits_size > 0 and is(record.status, "final") then
  --[[% inline "lib/has_edges.lua" %]]
  more = has_edges(invocation_id) and 1 or 0
end
return { "OK", pack(record.owner), record.at_us, record.task, noted, more }
