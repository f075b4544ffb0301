--[[% use "lib/unpack.lua" %]]
-- Condition id, valid condition and the packed ids of the triggers that fired for it.
local function read_valid(entry_id)
  local packed = redis.call("HGET", valid_conditions, entry_id)
  if not packed then
    return nil
  end
  local condition_id, position = unpack_field(packed, 1)
  local valid_condition
  valid_condition, position = unpack_field(packed, position)
  return condition_id, valid_condition, (unpack_field(packed, position))
end
