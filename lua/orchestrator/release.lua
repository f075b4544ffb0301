#!lua
--- Remove what is noted of an invocation's waiting and being waited for.
-- @version 1
-- @key statuses
-- @key waits
-- @key blocking
-- @arg invocation_id id
-- @returns OK
-- @cost O(n log N) for n waiting invocations
--[[% use "lib/release_waiters.lua" %]]
start_writing()
release_waiters(invocation_id)
return { "OK" }
