-- The next field of a packed list from position `at` on: the field (false if missing, nil at the end)
-- and the position after it. Use: `local field, after = unpack_field(packed, at)`.
local function unpack_field(packed, at)
  local offset, field = cmsgpack.unpack_one(packed, at - 1)
  return field, offset < 0 and #packed + 1 or offset + 1
end
