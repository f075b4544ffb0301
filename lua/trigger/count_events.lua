#!lua flags=no-writes
--- Count the events between two times.
--- They are in the ranges of event_index that begin with the items.
-- @version 2
-- @key event_index
-- @arg from_us us
-- @arg to_us us
-- @item prefix bytes
-- @returns OK count
-- @cost O(n log N) for n items
--[[% use "lib/count_between.lua" %]]
local prefixes = {}
for i = 1, item_count do
  prefixes[i] = (item(i))
end
return { "OK", count_between(event_index, prefixes, from_us, to_us) }
