#!lua
--- Verify a page of `history`.
--- Its records can be read, and are found by their time.
-- @version 10
-- @key statuses
-- @key invocations
-- @key history
-- @key history_times
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N), and the length of each one's history
--[[% use "lib/readable_field.lua" %]]
--[[% use "lib/expect_score.lua" %]]
--[[% use "lib/readable_history.lua" %]]
--[[% use "lib/is_known.lua" %]]
--[[% use "lib/time_member.lua" %]]
local function keep(invocation_id, records)
  if records == "" then
    return { "HDEL", history, invocation_id }
  end
  return { "HSET", history, invocation_id, records }
end

local function check(invocation_id, records)
  if not is_known(invocation_id) then
    report("stray", history, invocation_id, "no such invocation", keep(invocation_id, ""))
    return
  end
  local position = 1
  while position <= #records do
    local record, after = readable_field(records, position)
    local fields = readable_history(record)
    if not fields then
      local text = "no record from byte " .. position .. " on"
      local readable = string.sub(records, 1, position - 1)
      report("unreadable", history, invocation_id, text, keep(invocation_id, readable))
      return
    end
    local member = time_member(position, time_name(invocation_id))
    local text = "a record begins at byte " .. position
    expect_score(history_times, member, fields[1], invocation_id, text)
    position = after
  end
end
local next_cursor, looked_at = look_at("HSCAN", history, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
