-- Whether a runner that was last heard of at `heard` is dead: silent for the dead limit, all through
-- which heartbeats of others arrived. After an outage everybody has been silent, and whoever comes
-- back first must not take the others' work for orphaned.
local function is_dead(heard, now, dead_us)
  local limit = now - dead_us
  return tonumber(heard) < limit
    and tonumber(redis.call("GET", heartbeats_since) or 0) < limit
end
