#!lua
--- Claim a run of a trigger for a time, if nobody else's claim of it stands.
-- @version 7
-- @key trigger_claims
-- @key replies
-- @arg run_id id
-- @arg lease_us int
-- @arg consumer id
-- @arg op id
-- @returns CLAIMED | TAKEN
-- @cost O(log N)
--[[% use "lib/last_reply.lua" %]]
if last_reply(consumer, op) then
  return { "CLAIMED" }
end
local now = now_us()
local claimed_until = redis.call("ZSCORE", trigger_claims, run_id)
if claimed_until and tonumber(claimed_until) > now then
  return { "TAKEN" }
end
start_writing()
redis.call("ZADD", trigger_claims, decimal(now + lease_us), run_id)
remember_reply(consumer, op, {})
return { "CLAIMED" }
