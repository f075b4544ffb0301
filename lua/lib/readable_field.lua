-- A field as unpack_field reads it, of what somebody else may have written: nil for what is none, where
-- unpack_field fails or cuts.
local function readable_field(packed, position)
  local colon = string.find(packed, ":", position, true)
  local length = colon and string.sub(packed, position, colon - 1)
  if not colon or #length > 10 or string.find(length, "%D") then
    return nil
  end
  local after = colon + 1 + (tonumber(length) or 0)
  if after > #packed + 1 then
    return nil
  end
  return length ~= "" and string.sub(packed, colon + 1, after - 1), after
end
