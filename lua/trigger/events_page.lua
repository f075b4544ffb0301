#!lua flags=no-writes
--- Read a page of events between two times, behind `offset` of them.
--- They are in the ranges of event_index that begin with the items. With `newest_first` in that order,
--- or else the oldest first. Each entry is id, code, time, matched, triggered, emitting invocation and
--- emitting runner context and, with `whole`, the event's JSON and the invocations that it triggered.
-- @version 4
-- @key events
-- @key event_index
-- @key event_links
-- @arg from_us us
-- @arg to_us us
-- @arg offset int
-- @arg count count
-- @arg newest_first int
-- @arg whole int
-- @item prefix bytes
-- @returns PAGE entries
-- @cost O(n log N log T + count) for n items
--[[% use "lib/read_event.lua" %]]
--[[% use "lib/newest.lua" %]]
--[[% use "lib/oldest.lua" %]]
local prefixes = {}
for i = 1, item_count do
  prefixes[i] = (item(i))
end
local from, to = tonumber(from_us), tonumber(to_us)
local read = newest_first == 1 and newest or oldest
local entries = {}
for i, event_id in ipairs(read(event_index, prefixes, from, to, offset, count)) do
  local fields = read_event(event_id)
  entries[i] = { event_id, fields[1], fields[2], fields[3], fields[4], fields[5], fields[7] }
  if whole == 1 then
    entries[i][8] = fields[8]
    entries[i][9] = redis.call("HGET", event_links, event_id) or ""
  end
end
return { "PAGE", entries }
