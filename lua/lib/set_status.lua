--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/put.lua" %]]
--[[% use "lib/write_status.lua" %]]
--[[% use "lib/index_status.lua" %]]
--[[% use "lib/unindex_status.lua" %]]
--[[% use "lib/status_machine.lua" %]]
-- Change the status of an invocation (already found to be allowed) and all that follows from it.
-- Of those that wait, the rest is left to orchestrator/release where they are many.
-- The time never stands still within an invocation, whatever the server's clock does; of a change that
-- is written again it is the one that it had (`written_us`).
local function set_status(invocation_id, record, status, owner, op, written_us)
  local at_us = math.max(written_us or now_us(), tonumber(record.at_us) + 1)
  unindex_status(invocation_id, record)
  -- pynenc's compute_new_owner.
  if is(status, "releases") then
    record.owner = false
  elseif is(status, "acquires") then
    record.owner = owner
  end
  record.status, record.op, record.at_us = status, op, decimal(at_us)
  write_status(invocation_id, record)
  index_status(invocation_id, record)
  local final = is(status, "final")
  if final then
    put("ZREM", open, invocation_id)
    put("ZADD", expiring, record.at_us, invocation_id)
  else
    put("ZADD", open, record.at_us, invocation_id)
  end
  if blocking_size > 0 and not is(status, "available") then
    redis.call("ZREM", blocking, invocation_id)
  end
  if waits_size > 0 and (final or is(status, "available")) then
    --[[% inline "lib/release_waiters.lua" %]]
    if final then
      release_waiters(invocation_id)
    else
      note_blocking(invocation_id, record)
    end
  end
end
