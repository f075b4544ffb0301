-- The next field of a packed list from position `at` on: the field (false if missing) and the
-- position after it, or nothing at the end. Use: `local field, after = unpack_field(packed, at)`.
local function unpack_field(packed, at)
  local colon = string.find(packed, ":", at, true)
  if not colon then
    return nil
  end
  if colon == at then
    return false, at + 1
  end
  local last = colon + tonumber(string.sub(packed, at, colon - 1))
  -- A length below zero would lead a loop over the fields back to where it was.
  if last < colon then
    return nil
  end
  return string.sub(packed, colon + 1, last), last + 1
end
