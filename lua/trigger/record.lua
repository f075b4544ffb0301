#!lua
--- Record that conditions are met.
--- An item with a `change` of status is recorded if nobody else has evaluated that, and the change is
--- done with; with no entry it meets nothing.
-- @version 8
-- @key valid_conditions
-- @key valid_order
-- @key changes
-- @key client_data_uses
-- @key replies
-- @arg consumer id
-- @arg op id
-- @item change bytes
-- @item entry_id str
-- @item condition_id str
-- @item valid_condition bytes
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/record_valid.lua" %]]
--[[% use "lib/last_reply.lua" %]]
if last_reply(consumer, op) then
  return { "OK" }
end
local noted = {}
for i = 1, item_count do
  local change = item(i)
  noted[change] = change == "" or redis.call("ZSCORE", changes, change) ~= false
end
start_writing()
for i = 1, item_count do
  local change, entry_id, condition_id, valid_condition = item(i)
  if noted[change] and entry_id ~= "" then
    record_valid(entry_id, condition_id, valid_condition)
  end
  redis.call("ZREM", changes, change)
end
-- A call that is repeated finds its changes gone. What comes without one it must not record once more
-- after a trigger has fired.
if noted[""] then
  remember_reply(consumer, op, {})
end
return { "OK" }
