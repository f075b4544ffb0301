--[[% use "lib/readable_field.lua" %]]
-- The fields of a packed list (false for one that is missing), or nil for what is none; with `count`
-- it has to have that many.
local function readable_list(packed, count)
  local fields, position = {}, 1
  while position <= #packed do
    fields[#fields + 1], position = readable_field(packed, position)
    if not position then
      return nil
    end
  end
  return (not count or #fields == count) and fields or nil
end
