-- A field as unpack_field reads it, of what somebody else may have written: nil for what is none, where
-- unpack_field fails.
local function readable_field(packed, position)
  local readable, offset, field = pcall(cmsgpack.unpack_one, packed, position - 1)
  if not readable or (type(field) ~= "string" and field ~= false) then
    return nil
  end
  return field, offset < 0 and #packed + 1 or offset + 1
end
