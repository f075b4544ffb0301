#!lua flags=allow-oom
--- Forget the last replies of consumers that took nothing for a time, a page of them.
--- Replies with the cursor of the next page, "0" after the last.
-- @version 8
-- @key replies
-- @arg cursor str
-- @arg age_us int
-- @arg count count
-- @returns PAGE cursor
-- @cost O(count)
--[[% use "lib/time.lua" %]]
--[[% use "lib/unpack.lua" %]]
local before = now_us() - age_us
local scanned = redis.call("HSCAN", replies, cursor, "COUNT", count)
start_writing()
for i = 1, #scanned[2], 2 do
  local consumer, reply = scanned[2][i], scanned[2][i + 1]
  local _, position = unpack_field(reply, 1)
  if tonumber((unpack_field(reply, position))) < before then
    redis.call("HDEL", replies, consumer)
  end
end
return { "PAGE", scanned[1] }
