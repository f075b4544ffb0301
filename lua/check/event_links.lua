#!lua
--- Verify a page of `event_links`.
--- Each is of an event that is stored.
-- @version 6
-- @key events
-- @key event_links
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/findings.lua" %]]
--[[% use "lib/readable_list.lua" %]]
local function check(event_id, links)
  local text = not readable_list(links) and "it is no list of invocations"
    or redis.call("HEXISTS", events, event_id) == 0 and "there is no such event"
  if text then
    local kind = readable_list(links) and "stray" or "unreadable"
    report(kind, event_links, event_id, text, { "HDEL", event_links, event_id })
  end
end
local next_cursor, looked_at = look_at("HSCAN", event_links, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
