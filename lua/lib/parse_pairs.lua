--[[% use "lib/unpack_list.lua" %]]
-- A packed list of name, value, name, value, … as a plain list. It fails on anything else: it is
-- called before the first write.
local function parse_pairs(packed)
  local found = unpack_list(packed)
  for _, field in ipairs(found) do
    assert(field, "no packed list of pairs")
  end
  assert(#found % 2 == 0, "no packed list of pairs")
  return found
end
