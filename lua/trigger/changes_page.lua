#!lua flags=no-writes
--- Read a page of the changes of status that have not been evaluated for a time.
--- They come the oldest first, behind `offset` of them.
-- @version 3
-- @key changes
-- @arg age_us int
-- @arg offset int
-- @arg count count
-- @returns OK changes
-- @cost O(log N + offset + count)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
local before = decimal(now_us() - age_us)
return { "OK", redis.call("ZRANGE", changes, "-inf", before, "BYSCORE", "LIMIT", offset, count) }
