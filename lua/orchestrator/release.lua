#!lua
--- Remove what is noted of an invocation's waiting and being waited for, up to 500 of each.
--- Replies with MORE if there may be more.
-- @version 1
-- @key statuses
-- @key waits
-- @key blocking
-- @arg invocation_id id
-- @returns OK | MORE
-- @cost O(n log N) for n of them
--[[% use "lib/release_waiters.lua" %]]
start_writing()
return { release_waiters(invocation_id) and "MORE" or "OK" }
