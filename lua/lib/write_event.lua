--[[% use "lib/event_members.lua" %]]
local function write_event(event_id, fields)
  local packed = {}
  for i = 1, 8 do
    packed[i] = fields[i] and pack(fields[i]) or ":"
  end
  redis.call("HSET", events, event_id, table.concat(packed))
  for _, member in ipairs(event_members(event_id, fields)) do
    redis.call("ZADD", event_index, 0, member)
  end
end
