--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_integer.lua" %]]
-- The fields of a record of `events` (see lib/read_event.lua), or nil for what is none.
local function readable_event(packed)
  local fields = packed and readable_list(packed, 8)
  if not fields or not (fields[1] and fields[3] and fields[4] and fields[8]) then
    return nil
  end
  return is_integer(fields[2]) and fields or nil
end
