#!lua
--- Note that a trigger has fired for valid conditions.
--- One for which that is noted, or that was recorded anew, is left alone. Each comes with the version
--- that was read; with `clears` no other trigger waits for it.
-- @version 8
-- @key valid_conditions
-- @key valid_order
-- @key client_data_uses
-- @key client_data_idle
-- @arg trigger_id id
-- @item entry_id id
-- @item version us
-- @item clears int
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/is_due.lua" %]]
--[[% use "lib/settle.lua" %]]
start_writing()
for i = 1, item_count do
  local entry_id, version, clears = item(i)
  if is_due(entry_id, version, trigger_id) then
    settle(entry_id, trigger_id, clears)
  end
end
return { "OK" }
