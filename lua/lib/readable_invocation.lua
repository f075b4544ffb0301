--[[% use "lib/readable_list.lua" %]]
-- The fields of a record of `invocations`, or nil for what is none.
local function readable_invocation(packed)
  local fields = packed and readable_list(packed, 9)
  if not fields or not (fields[1] and fields[2] and fields[3]) then
    return nil
  end
  if fields[6] and not (fields[7] and fields[8]) then
    return nil
  end
  return fields
end
