#!lua
--- Take a tick of a cron condition, if the last one is still the one that was read.
--- `expected` is empty for none at all. Who takes it records the items, which are as those of
--- trigger/record.
-- @version 8
-- @key cron_times
-- @key valid_conditions
-- @key valid_order
-- @key client_data_uses
-- @arg condition_id id
-- @arg tick id
-- @arg expected str
-- @arg op id
-- @item entry_id id
-- @item of_condition id
-- @item valid_condition bytes
-- @returns STORED | LOST
-- @cost O(n log N) for n items
--[[% use "lib/unpack.lua" %]]
--[[% use "lib/record_valid.lua" %]]
local packed = redis.call("HGET", cron_times, condition_id)
local last, taken_by = "", nil
if packed then
  local position
  last, position = unpack_field(packed, 1)
  taken_by = unpack_field(packed, position)
end
if taken_by == op then
  return { "STORED" }
end
if last ~= expected then
  return { "LOST" }
end
start_writing()
redis.call("HSET", cron_times, condition_id, pack(tick, op))
for i = 1, item_count do
  record_valid(item(i))
end
return { "STORED" }
