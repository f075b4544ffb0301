--[[% use "lib/unpack_list.lua" %]]
-- Condition id, valid condition and the packed ids of the triggers that fired for it.
local function read_valid(entry_id)
  local packed = redis.call("HGET", valid_conditions, entry_id)
  if not packed then
    return nil
  end
  return unpack(unpack_list(packed))
end
