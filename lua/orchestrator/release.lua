#!lua flags=allow-oom
--- Remove what is noted of an invocation's waiting and being waited for, up to 250 of each.
--- Replies with MORE if there is more.
-- @version 10
-- @key statuses
-- @key waits
-- @key blocking
-- @arg invocation_id id
-- @returns OK | MORE
-- @cost O(n log N) for n of them
--[[% use "lib/release_waiters.lua" %]]
--[[% use "lib/has_edges.lua" %]]
start_writing()
release_waiters(invocation_id)
return { has_edges(invocation_id) and "MORE" or "OK" }
