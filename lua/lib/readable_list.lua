--[[% use "lib/unpack_list.lua" %]]
-- The fields of a packed list (false for one that is missing), or nil for what is none; with `count`
-- it has to have that many.
local function readable_list(packed, count)
  local readable, fields = pcall(unpack_list, packed)
  return readable and (not count or #fields == count) and fields or nil
end
