#!lua flags=allow-oom
--- Remove valid conditions, with all that is recorded of their ids.
-- @version 8
-- @key valid_conditions
-- @key valid_order
-- @key client_data_uses
-- @key client_data_idle
-- @item entry_id id
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/remove_valid.lua" %]]
start_writing()
for i = 1, item_count do
  remove_valid((item(i)))
end
return { "OK" }
