#!lua
--- Store a run of a trigger in place of an older record of it.
--- `prefixes` (packed) are its beginnings in trigger_run_index but for those of its events' codes.
-- @version 6
-- @key trigger_runs
-- @key trigger_run_index
-- @key events
-- @arg run_id id
-- @arg at_us us
-- @arg prefixes bytes
-- @arg event_ids bytes
-- @arg run bytes
-- @returns OK
-- @cost O(n log N) for n prefixes
--[[% use "lib/put_run.lua" %]]
local prefix_list, event_list = unpack_list(prefixes), unpack_list(event_ids)
start_writing()
put_run(run_id, at_us, prefix_list, event_list, run)
return { "OK" }
