#!lua flags=no-writes
--- Read what a consumer claimed by an operation, as the claim replied.
--- It is nothing if that was not its last operation; what anybody changed since is left out.
-- @version 1
-- @key statuses
-- @key invocations
-- @key arguments
-- @key replies
-- @arg consumer id
-- @arg op id
-- @returns OK claimed
-- @cost O(n) for n invocations
--[[% use "lib/still_claimed.lua" %]]
return { "OK", with_payloads(still_claimed(consumer, op)) }
