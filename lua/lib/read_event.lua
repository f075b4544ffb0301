--[[% use "lib/unpack.lua" %]]
-- A record of `events` as a list, or nil: code, time (µs), matched, triggered, emitting invocation,
-- emitting task, emitting runner context, JSON. What is missing is false.
local function read_event(event_id)
  local packed = redis.call("HGET", events, event_id)
  if not packed then
    return nil
  end
  local fields, position = {}, 1
  for i = 1, 8 do
    fields[i], position = unpack_field(packed, position)
  end
  return fields
end
