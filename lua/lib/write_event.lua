--[[% use "lib/event_members.lua" %]]
local function write_event(event_id, fields)
  redis.call("HSET", events, event_id, pack(unpack(fields, 1, 8)))
  for _, member in ipairs(event_members(event_id, fields)) do
    redis.call("ZADD", event_index, 0, member)
  end
end
