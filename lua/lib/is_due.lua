--[[% use "lib/pack.lua" %]]
--[[% use "lib/read_valid.lua" %]]
-- Whether a trigger has yet to fire for a valid condition in the version that its firing was made of.
local function is_due(entry_id, version, trigger_id)
  local recorded = redis.call("ZSCORE", valid_order, entry_id)
  if not recorded or tonumber(recorded) ~= tonumber(version) then
    return false
  end
  local _, _, fired = read_valid(entry_id)
  for _, known in ipairs(unpack_list(fired)) do
    if known == trigger_id then
      return false
    end
  end
  return true
end
