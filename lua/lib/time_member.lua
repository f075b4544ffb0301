--[[% use "lib/pack.lua" %]]
-- The member of `history_times` for the record at a byte of a history. There is one for each record, so
-- a UUID is kept as its 16 bytes, behind one that begins no packed field.
local function time_member(position, invocation_id)
  local pattern = "^(%x%x%x%x%x%x%x%x)%-(%x%x%x%x)%-(%x%x%x%x)%-(%x%x%x%x)%-(%x%x%x%x)(%x%x%x%x%x%x%x%x)$"
  local a, b, c, d, e, f = string.match(invocation_id, pattern)
  local place = pack(tostring(position))
  if not a or string.find(invocation_id, "%u") then
    return place .. pack(invocation_id)
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
  return place .. "\255" .. uuid
end
