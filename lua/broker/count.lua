#!lua flags=no-writes
--- Count what is in several queues.
-- @version 3
-- @key queue
-- @item queue_name id
-- @returns OK count
-- @cost O(n log N) for n items
--[[% use "lib/pack.lua" %]]
local count = 0
for i = 1, item_count do
  local prefix = pack((item(i)))
  count = count + redis.call("ZLEXCOUNT", queue, "[" .. prefix, "(" .. prefix .. "\255")
end
return { "OK", count }
