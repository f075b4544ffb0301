#!lua
--- Verify a page of `event_index`.
--- Each member is that of an event.
-- @version 6
-- @key events
-- @key event_index
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/readable_field.lua" %]]
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/expect_equal.lua" %]]
--[[% use "lib/readable_event.lua" %]]
--[[% use "lib/event_members.lua" %]]
local sizes = { all = 3, code = 4, invocation = 4, task = 4 }

-- Behind its fields come 16 digits of time and the event.
local function event_of(member)
  local relation, position = readable_field(member, 1)
  for _ = 2, sizes[relation] or 0 do
    if position then
      local _, after = readable_field(member, position)
      position = after
    end
  end
  return sizes[relation] and position and string.sub(member, position + 16) or ""
end

local function is_of(member, event_id, fields)
  for _, known in ipairs(event_members(event_id, fields)) do
    if known == member then
      return true
    end
  end
  return false
end

local function check(member, score)
  local relation = readable_field(member, 1) or ""
  local event_id = event_of(member)
  local packed = redis.call("HGET", events, event_id)
  local fields = readable_event(packed)
  if not packed then
    remove_stray(event_index, member, event_id, "there is no such event: " .. relation)
  elseif fields and not is_of(member, event_id, fields) then
    remove_stray(event_index, member, event_id, "the event does not imply it: " .. relation)
  else
    expect_equal(event_index, member, score, 0, event_id)
  end
end
local next_cursor, looked_at = look_at("ZSCAN", event_index, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
