#!lua
--- Forget runners that have been silent for a time, at most `count` of them.
--- Replies with how many there were. What they ran is gone from the history as well by then.
-- @version 1
-- @key heartbeats
-- @key runners
-- @arg age_us int
-- @arg count count
-- @returns OK removed
-- @cost O(count log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
local before = decimal(now_us() - age_us)
local silent = redis.call("ZRANGE", heartbeats, "-inf", before, "BYSCORE", "LIMIT", 0, count)
start_writing()
for _, runner_id in ipairs(silent) do
  redis.call("ZREM", heartbeats, runner_id)
  redis.call("HDEL", runners, runner_id)
end
return { "OK", #silent }
