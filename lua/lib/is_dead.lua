--[[% use "lib/unpack.lua" %]]
-- Whether a runner that was last heard of at `heard` is dead: silent for the dead limit. After an
-- outage everybody has been silent, and whoever comes back first must not take the others' work for
-- orphaned: for the length of the limit from then on, only those are dead that were dead before it.
local function is_dead(heard, now, dead_us)
  local limit = now - dead_us
  if tonumber(heard) >= limit then
    return false
  end
  local outage = redis.call("GET", heartbeats_since)
  if not outage then
    return true
  end
  local ended, position = unpack_field(outage, 1)
  local last_before = unpack_field(outage, position or 1)
  return (tonumber(ended) or 0) < limit or tonumber(heard) < (tonumber(last_before) or 0) - dead_us
end
