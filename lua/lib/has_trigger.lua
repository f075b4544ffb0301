--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- Whether a trigger waits for any of the conditions that stand at a byte of members of
-- `condition_index`: a condition stays when its triggers go, and then watches nothing.
local function has_trigger(members, at)
  for _, member in ipairs(members) do
    local prefix = pack("by", (unpack_field(member, at)))
    local first, last = "[" .. prefix, "(" .. prefix .. "\255"
    if redis.call("ZRANGE", condition_index, first, last, "BYLEX", "LIMIT", 0, 1)[1] then
      return true
    end
  end
  return false
end
