--[[% use "lib/unpack.lua" %]]
-- The parent that an invocation record names, or false.
local function parent_of(record)
  local field, position = nil, 1
  for _ = 1, 4 do
    field, position = unpack_field(record, position)
  end
  return field
end
