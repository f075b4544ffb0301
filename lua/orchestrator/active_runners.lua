#!lua flags=no-writes
--- Read the runners that were heard of within a time, each with its last heartbeat.
-- @version 3
-- @key heartbeats
-- @key runners
-- @arg within_us int
-- @returns OK runners
-- @cost O(log N + active runners)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
local since = decimal(now_us() - within_us)
local heard = redis.call("ZRANGE", heartbeats, since, "+inf", "BYSCORE", "WITHSCORES")
local found = {}
for i = 1, #heard, 2 do
  local said = redis.call("HGET", runners, heard[i])
  if said then
    found[#found + 1] = { heard[i], heard[i + 1], said }
  end
end
return { "OK", found }
