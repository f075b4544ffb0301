-- The parent that an invocation record names, or false.
local function parent_of(record)
  local _, _, _, parent = cmsgpack.unpack(record)
  return parent
end
