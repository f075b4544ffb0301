#!lua flags=allow-oom
--- Remove what nothing came of in a time.
--- That is valid conditions that no trigger fired for, changes that nobody could evaluate, and claims
--- that are over: at most `count` of each in one call. Replies with how many went.
-- @version 8
-- @key valid_conditions
-- @key valid_order
-- @key trigger_claims
-- @key changes
-- @key client_data_uses
-- @key client_data_idle
-- @arg age_us int
-- @arg count count
-- @returns OK removed
-- @cost O(count log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/remove_valid.lua" %]]
local now = now_us()
local before = decimal(now - age_us)
local old = redis.call("ZRANGE", valid_order, "-inf", before, "BYSCORE", "LIMIT", 0, count)
local over =
  redis.call("ZRANGE", trigger_claims, "-inf", decimal(now), "BYSCORE", "LIMIT", 0, count)
local unread = redis.call("ZRANGE", changes, "-inf", before, "BYSCORE", "LIMIT", 0, count)
start_writing()
for _, entry_id in ipairs(old) do
  remove_valid(entry_id)
end
for _, run_id in ipairs(over) do
  redis.call("ZREM", trigger_claims, run_id)
end
for _, change in ipairs(unread) do
  redis.call("ZREM", changes, change)
end
return { "OK", #old + #over + #unread }
