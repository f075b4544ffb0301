#!lua flags=allow-oom
--- Forget the contexts that no process has sent for a time, at most `count` of them.
--- Replies with how many there were. A process sends its context again every so often as long as it
--- does anything; one of a runner that only sends heartbeats stays.
-- @version 6
-- @key runner_contexts
-- @key context_times
-- @key heartbeats
-- @arg age_us int
-- @arg count count
-- @returns OK looked_at
-- @cost O(count log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
local before = decimal(now_us() - age_us)
local old = redis.call("ZRANGE", context_times, "-inf", before, "BYSCORE", "LIMIT", 0, count)
start_writing()
for _, runner_id in ipairs(old) do
  local heard = redis.call("ZSCORE", heartbeats, runner_id)
  if heard and tonumber(heard) > tonumber(before) then
    redis.call("ZADD", context_times, heard, runner_id)
  else
    redis.call("HDEL", runner_contexts, runner_id)
    redis.call("ZREM", context_times, runner_id)
  end
end
return { "OK", #old }
