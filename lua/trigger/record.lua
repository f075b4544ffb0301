#!lua
--- Record that conditions are met.
--- Those that were found for a change of status (`change`) are recorded if nobody else has evaluated
--- it, and the change is done with.
-- @version 1
-- @key valid_conditions
-- @key valid_order
-- @key changes
-- @key client_data_uses
-- @key replies
-- @arg change bytes
-- @arg consumer id
-- @arg op id
-- @item entry_id id
-- @item condition_id id
-- @item valid_condition bytes
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/record_valid.lua" %]]
--[[% use "lib/last_reply.lua" %]]
if last_reply(consumer, op) then
  return { "OK" }
end
if change ~= "" and not redis.call("ZSCORE", changes, change) then
  return { "OK" }
end
start_writing()
redis.call("ZREM", changes, change)
for i = 1, item_count do
  record_valid(item(i))
end
-- A call that is repeated after a trigger has fired must not record them once more.
if item_count > 0 then
  remember_reply(consumer, op, {})
end
return { "OK" }
