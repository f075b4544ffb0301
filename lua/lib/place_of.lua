--[[% use "lib/readable_field.lua" %]]
-- The invocation and the sequence number of a member of `queue`, or nil for what is none.
local function place_of(member)
  local name, after = readable_field(member, 1)
  local number = name and string.sub(member, after + 8, after + 23)
  if not name or #number ~= 16 or string.find(number, "%D") or #member < after + 24 then
    return nil
  end
  return string.sub(member, after + 24), tonumber(number)
end
