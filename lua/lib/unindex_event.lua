--[[% use "lib/event_members.lua" %]]
local function unindex_event(event_id, fields)
  redis.call("ZREM", event_index, unpack(event_members(event_id, fields)))
end
