--[[% use "lib/status_machine.lua" %]]
--[[% use "lib/is_dead.lua" %]]
-- Whether nobody runs what `owner` owns. A runner sends a heartbeat before its first claim, so one
-- that was never heard of is gone for long.
local function is_orphaned(owner, now, dead_us)
  local heard = owner and redis.call("ZSCORE", heartbeats, owner)
  return not heard or is_dead(heard, now, dead_us)
end

-- The statuses that bring an invocation which stands still back to its queue, or nil if it is where
-- it should be: in a queue, or owned by a live runner.
local function recovery_steps(invocation_id, record, now, pending_us, dead_us)
  local status = record.status
  if is(status, "final") then
    return nil
  end
  if status == "running" or status == "paused" then
    if not is_orphaned(record.owner, now, dead_us) then
      return nil
    end
    return { status == "running" and "running_recovery" or "killed", "rerouted" }
  end
  -- Either way: a time in the future is of a clock that was set back since, by minutes or by years.
  if math.abs(now - tonumber(record.at_us)) < pending_us then
    return nil
  end
  if is(status, "available") then
    return redis.call("HEXISTS", queued, invocation_id) == 0 and {} or nil
  end
  return status == "pending" and { "pending_recovery", "rerouted" } or { "rerouted" }
end
