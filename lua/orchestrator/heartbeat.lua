#!lua flags=allow-oom
--- Note that runners are alive, and what they are.
--- `queues` is packed; with `keeps_queues` what a runner said before stands. Where nobody was heard of
--- for `outage_us`, there was an outage, and it is noted that it ended. Who was heard of in the future
--- (the clock was set back) was heard of now; 100 of them in one call.
-- @version 9
-- @key heartbeats
-- @key heartbeats_since
-- @key runners
-- @arg eligible str
-- @arg queues bytes
-- @arg keeps_queues int
-- @arg outage_us int
-- @item runner_id id
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
local now_number = now_us()
local now = decimal(now_number)
local last = redis.call("ZRANGE", heartbeats, 0, 0, "REV", "WITHSCORES")[2]
local ahead = redis.call("ZRANGE", heartbeats, "(" .. now, "+inf", "BYSCORE", "LIMIT", 0, 100)
local outage = redis.call("GET", heartbeats_since)
start_writing()
-- A time in the future is of a clock that was set back since: a dead runner would seem alive, and an
-- outage go on, until that time.
for _, runner_id in ipairs(ahead) do
  redis.call("ZADD", heartbeats, now, runner_id)
end
if last and tonumber(last) < now_number - outage_us then
  redis.call("SET", heartbeats_since, pack(now, last))
elseif outage and tonumber((unpack_field(outage, 1))) > now_number then
  local _, behind = unpack_field(outage, 1)
  redis.call("SET", heartbeats_since, pack(now) .. string.sub(outage, behind))
end
for i = 1, item_count do
  local runner_id = item(i)
  local known = redis.call("HGET", runners, runner_id)
  local created, said = now, queues
  if known then
    local before, position = unpack_field(known, 1)
    created = before
    if keeps_queues == 1 then
      local _, third = unpack_field(known, position)
      said = unpack_field(known, third)
    end
  end
  redis.call("ZADD", heartbeats, now, runner_id)
  redis.call("HSET", runners, runner_id, pack(created, eligible, said))
end
return { "OK" }
