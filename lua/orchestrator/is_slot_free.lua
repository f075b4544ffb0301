#!lua flags=no-writes
--- Tell whether an invocation may run by running concurrency control.
-- @version 3
-- @key concurrency
-- @arg invocation_id id
-- @arg slot id
-- @returns FREE | TAKEN
-- @cost O(log N)
--[[% use "lib/slot_taken.lua" %]]
return { slot_taken({ slot = slot }, invocation_id, "running") and "TAKEN" or "FREE" }
