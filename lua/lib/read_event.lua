--[[% use "lib/unpack_list.lua" %]]
-- A record of `events` as a list, or nil: code, time (µs), matched, triggered, emitting invocation,
-- emitting task, emitting runner context, JSON. What is missing is false.
local function read_event(event_id)
  local packed = redis.call("HGET", events, event_id)
  return packed and unpack_list(packed) or nil
end
