--[[% use "lib/unpack.lua" %]]
-- An execution of an atomic service: runner id, start, end (false while it runs), status, reason.
local function read_service(id)
  local packed = redis.call("HGET", services, id)
  if not packed then
    return nil
  end
  local fields, position = {}, 1
  for i = 1, 5 do
    fields[i], position = unpack_field(packed, position)
  end
  return fields
end
