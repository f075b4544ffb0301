#!lua flags=allow-oom
--- Forget runners that have been silent for a time, at most `count` of them.
--- Replies with how many there were. None is forgotten for the silence of an outage: what it runs
--- would be taken for orphaned.
-- @version 8
-- @key heartbeats
-- @key heartbeats_since
-- @key runners
-- @arg age_us int
-- @arg count count
-- @returns OK removed
-- @cost O(count log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/is_dead.lua" %]]
local now, removed = now_us(), 0
local before = decimal(now - age_us)
local silent =
  redis.call("ZRANGE", heartbeats, "-inf", before, "BYSCORE", "LIMIT", 0, count, "WITHSCORES")
start_writing()
for i = 1, #silent, 2 do
  if is_dead(silent[i + 1], now, age_us) then
    redis.call("ZREM", heartbeats, silent[i])
    redis.call("HDEL", runners, silent[i])
    removed = removed + 1
  end
end
return { "OK", removed }
