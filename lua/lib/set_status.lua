--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/missing.lua" %]]
--[[% use "lib/write_status.lua" %]]
--[[% use "lib/index_status.lua" %]]
--[[% use "lib/unindex_status.lua" %]]
--[[% use "lib/release_waiters.lua" %]]
-- pynenc's compute_new_owner, packed.
local function new_owner(record, status, owner)
  if is(status, "releases") then
    return missing
  end
  return is(status, "acquires") and owner or record.owner
end

-- Change the status of an invocation (already found to be allowed) and all that follows from it.
-- Of those that wait, the rest is left to orchestrator/release where they are many.
-- The time never stands still within an invocation, whatever the server's clock does; of a change that
-- is written again it is the one that it had (`written_us`).
local function set_status(invocation_id, record, status, owner, op, written_us)
  local at_us = math.max(written_us or now_us(), tonumber(record.at_us) + 1)
  unindex_status(invocation_id, record)
  record.owner = new_owner(record, status, owner)
  record.status, record.op, record.at_us = status, op, decimal(at_us)
  write_status(invocation_id, record)
  index_status(invocation_id, record)
  if is(status, "final") then
    redis.call("ZREM", open, invocation_id)
    redis.call("ZADD", expiring, record.at_us, invocation_id)
    release_waiters(invocation_id)
    return
  end
  redis.call("ZADD", open, record.at_us, invocation_id)
  if is(status, "available") then
    note_blocking(invocation_id, record)
  elseif blocking_size > 0 then
    redis.call("ZREM", blocking, invocation_id)
  end
end
