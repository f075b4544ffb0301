#!lua
--- Verify a page of `replies` or `cron_times`, to which nothing else refers.
--- Each can be read.
-- @version 6
-- @key replies
-- @key cron_times
-- @arg collection id
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/findings.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_integer.lua" %]]
local held = collection == "replies" and replies or cron_times

local function check(id, packed)
  local fields = readable_list(packed) or {}
  local is_reply = collection == "replies" and fields[1] and is_integer(fields[2])
  local is_time = collection == "cron_times" and #fields == 2 and fields[1] and fields[2]
  if not is_reply and not is_time then
    report("unreadable", held, id, "it is none of its kind", { "HDEL", held, id })
  end
end
local next_cursor, looked_at = look_at("HSCAN", held, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
