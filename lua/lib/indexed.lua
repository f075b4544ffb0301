--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- The last fields of the members of `condition_index` that begin with `prefix`.
local function indexed(prefix)
  local last = "(" .. prefix .. "\255"
  local found = {}
  for _, member in ipairs(redis.call("ZRANGE", condition_index, "[" .. prefix, last, "BYLEX")) do
    found[#found + 1] = (unpack_field(member, #prefix + 1))
  end
  return found
end
