--[[% use "lib/pack.lua" %]]
--[[% use "lib/remove_valid.lua" %]]
--[[% use "lib/read_valid.lua" %]]
-- Note that a trigger fired for a valid condition; with `clears` no other trigger waits for it.
local function settle(entry_id, trigger_id, clears)
  if clears == 1 then
    remove_valid(entry_id)
    return
  end
  local condition_id, valid_condition, fired = read_valid(entry_id)
  local packed = pack(condition_id, valid_condition, fired .. pack(trigger_id))
  redis.call("HSET", valid_conditions, entry_id, packed)
end
