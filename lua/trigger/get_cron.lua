#!lua flags=no-writes
--- Read the last tick of each cron condition that somebody took; false for none.
-- @version 4
-- @key cron_times
-- @item condition_id id
-- @returns OK times
-- @cost O(n) for n items
--[[% use "lib/unpack.lua" %]]
local times = {}
for i = 1, item_count do
  local packed = redis.call("HGET", cron_times, (item(i)))
  times[i] = packed and (unpack_field(packed, 1))
end
return { "OK", times }
