#!lua
--- Verify a page of `events`.
--- Each has its members of `event_index`, and says whether it has links.
-- @version 6
-- @key events
-- @key event_index
-- @key event_links
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/readable_event.lua" %]]
--[[% use "lib/unindex_event.lua" %]]
--[[% use "lib/write_event.lua" %]]
local function check(event_id, packed)
  local fields = readable_event(packed)
  if not fields then
    local forget_links = { "HDEL", event_links, event_id }
    local forget = { "HDEL", events, event_id }
    report("unreadable", events, event_id, "it is no event", forget, forget_links)
    return
  end
  local linked = tostring(redis.call("HEXISTS", event_links, event_id))
  if fields[4] ~= linked then
    local text = linked == "1" and "it triggered something" or "it triggered nothing"
    report("wrong", events, event_id, text, function()
      unindex_event(event_id, fields)
      fields[4] = linked
      write_event(event_id, fields)
    end)
    return
  end
  for _, member in ipairs(event_members(event_id, fields)) do
    expect_member(event_index, member, 0, event_id, "the event is stored")
  end
end
local next_cursor, looked_at = look_at("HSCAN", events, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
