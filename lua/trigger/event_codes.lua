#!lua flags=no-writes
--- Read the codes of the events that are stored, leaping from one to the next.
-- @version 4
-- @key event_index
-- @arg after bytes
-- @arg count count
-- @returns PAGE codes
-- @cost O(count log N)
--[[% use "lib/distinct_page.lua" %]]
return { "PAGE", distinct_page(event_index, pack("code"), after, count) }
