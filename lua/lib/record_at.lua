--[[% use "lib/readable_field.lua" %]]
-- Where the record of a member of `history_times` (see lib/time_member.lua) begins, and its invocation;
-- nothing for what is no such member.
local function record_at(member)
  local place, after = readable_field(member, 1)
  local position = place and tonumber(place)
  if not position then
    return nil
  end
  if string.byte(member, after) ~= 255 then
    return position, readable_field(member, after) or nil
  end
  if #member ~= after + 16 then
    return nil
  end
  local a, b, c, d, e, f = struct.unpack(">I4I2I2I2I2I4", member, after + 1)
  return position, string.format("%08x-%04x-%04x-%04x-%04x%08x", a, b, c, d, e, f)
end
