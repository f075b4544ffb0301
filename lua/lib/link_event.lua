--[[% use "lib/read_event.lua" %]]
--[[% use "lib/unindex_event.lua" %]]
--[[% use "lib/write_event.lua" %]]
-- Note that an event triggered an invocation. Of an event that retention has removed meanwhile nothing
-- is kept: nobody would remove it.
local function link_event(event_id, invocation_id)
  local fields = read_event(event_id)
  if not fields then
    return
  end
  local links = redis.call("HGET", event_links, event_id) or ""
  for _, known in ipairs(unpack_list(links)) do
    if known == invocation_id then
      return
    end
  end
  redis.call("HSET", event_links, event_id, links .. pack(invocation_id))
  if fields[4] == "0" then
    unindex_event(event_id, fields)
    fields[4] = "1"
    write_event(event_id, fields)
  end
end
