--[[% use "lib/pack.lua" %]]
-- The first `count` members of `waits` of one direction ("for" or "by") of an invocation.
local function edges(direction, invocation_id, count)
  local prefix = pack(direction, invocation_id)
  local last = "(" .. prefix .. "\255"
  return redis.call("ZRANGE", waits, "[" .. prefix, last, "BYLEX", "LIMIT", 0, count), prefix
end
