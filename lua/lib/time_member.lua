--[[% use "lib/pack.lua" %]]
-- An invocation as members of `history_times` name it. There is one for each record, so a UUID is kept as
-- its 16 bytes, behind one that begins no packed field.
local function time_name(invocation_id)
  local pattern = "^(%x%x%x%x%x%x%x%x)%-(%x%x%x%x)%-(%x%x%x%x)%-(%x%x%x%x)%-(%x%x%x%x)(%x%x%x%x%x%x%x%x)$"
  local a, b, c, d, e, f = string.match(invocation_id, pattern)
  if not a or string.lower(invocation_id) ~= invocation_id then
    return pack(invocation_id)
  end
  local uuid = struct.pack(
    ">I4I2I2I2I2I4",
    tonumber(a, 16),
    tonumber(b, 16),
    tonumber(c, 16),
    tonumber(d, 16),
    tonumber(e, 16),
    tonumber(f, 16)
  )
  return "\255" .. uuid
end

-- The member of `history_times` for the record at a byte of the history of an invocation of that name.
local function time_member(position, name)
  return pack(tostring(position)) .. name
end
