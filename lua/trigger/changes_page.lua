#!lua flags=no-writes
--- Read the oldest changes of status that have not been evaluated for a time.
-- @version 1
-- @key changes
-- @arg age_us int
-- @arg count count
-- @returns OK changes
-- @cost O(log N + count)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
local before = decimal(now_us() - age_us)
return { "OK", redis.call("ZRANGE", changes, "-inf", before, "BYSCORE", "LIMIT", 0, count) }
