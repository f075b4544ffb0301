--[[% use "lib/unpack.lua" %]]
-- All fields of a packed list; false for one that is missing. It fails on anything else, so what comes
-- as an argument is taken apart before the first write.
local function unpack_list(packed)
  local fields, position = {}, 1
  while position <= #packed do
    fields[#fields + 1], position = unpack_field(packed, position)
    if not position or position > #packed + 1 then
      error("no packed list: " .. string.sub(packed, 1, 80))
    end
  end
  return fields
end
