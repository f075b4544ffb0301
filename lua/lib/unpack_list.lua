--[[% use "lib/unpack.lua" %]]
-- All fields of a packed list; false for one that is missing.
local function unpack_list(packed)
  local fields, position = {}, 1
  while position <= #packed do
    fields[#fields + 1], position = unpack_field(packed, position)
  end
  return fields
end
