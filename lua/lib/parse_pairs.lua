--[[% use "lib/unpack.lua" %]]
-- A packed list of name, value, name, value, … as a plain list. It fails on anything else: it is
-- called before the first write.
local function parse_pairs(packed)
  local found, position = {}, 1
  while position <= #packed do
    local field
    field, position = unpack_field(packed, position)
    found[#found + 1] = assert(field, "no packed list of pairs")
  end
  assert(#found % 2 == 0 and position == #packed + 1, "no packed list of pairs")
  return found
end
