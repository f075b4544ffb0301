--[[% use "lib/parse_status.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_integer.lua" %]]
--[[% use "lib/is_status.lua" %]]
local function is_pairs(packed)
  local fields = readable_list(packed)
  for _, field in ipairs(fields or {}) do
    if not field then
      return false
    end
  end
  return fields ~= nil and #fields % 2 == 0
end

-- A record of `statuses` as lib/parse_status.lua reads it, or nil for what is none.
local function readable_status(packed)
  local fields = packed and readable_list(packed, 14)
  if not fields then
    return nil
  end
  for number, field in ipairs(fields) do
    if not field and number ~= 2 then
      return nil
    end
  end
  if
    not is_status(fields[1])
    or not (is_integer(fields[3]) and is_integer(fields[5]) and is_integer(fields[6]))
    or #fields[9] ~= 8
    or not is_pairs(fields[13])
  then
    return nil
  end
  return parse_status(packed)
end
