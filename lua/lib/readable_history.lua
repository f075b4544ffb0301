--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_integer.lua" %]]
--[[% use "lib/is_status.lua" %]]
-- The fields of a history record, or nil for what is none.
local function readable_history(record)
  local fields = record and readable_list(record, 6)
  return fields and is_integer(fields[1]) and is_status(fields[2] or "") and fields or nil
end
