#!lua
--- Verify a page of `queued`: each place is in `queue`.
-- @version 6
-- @key queue
-- @key queued
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/place_of.lua" %]]
--[[% use "lib/pack.lua" %]]
local function check(invocation_id, places)
  local members = readable_list(places)
  if not members or not members[1] then
    local text = "it is no list of places in `queue`"
    report("unreadable", queued, invocation_id, text, { "HDEL", queued, invocation_id })
    return
  end
  local kept, strays = {}, 0
  for _, member in ipairs(members) do
    if place_of(member) == invocation_id then
      kept[#kept + 1] = pack(member)
      expect_member(queue, member, 0, invocation_id, "it is queued")
    else
      strays = strays + 1
    end
  end
  if strays > 0 then
    local mended = { "HSET", queued, invocation_id, table.concat(kept) }
    if not kept[1] then
      mended = { "HDEL", queued, invocation_id }
    end
    report("stray", queued, invocation_id, "a place is not of this invocation", mended)
  end
end
local next_cursor, looked_at = look_at("HSCAN", queued, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
