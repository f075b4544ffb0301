#!lua flags=no-writes
--- Read the atomic services whose runs triggered something, leaping from one to the next.
-- @version 4
-- @key trigger_run_index
-- @arg after bytes
-- @arg count count
-- @returns PAGE service_ids
-- @cost O(count log N)
--[[% use "lib/distinct_page.lua" %]]
return { "PAGE", distinct_page(trigger_run_index, pack("service"), after, count) }
