#!lua flags=no-writes
--- Read one page of the invocations that are not final, and which of them stand still.
--- With a status, those in it alone. Each comes with its queue. The next page goes on behind
--- (time, id); there is none when no time is given.
-- @version 1
-- @key statuses
-- @key open
-- @key queued
-- @key heartbeats
-- @arg status str
-- @arg after_us us
-- @arg after_id str
-- @arg pending_us int
-- @arg dead_us int
-- @arg count count
-- @returns PAGE stale time id
-- @cost O(log² N + count log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/rank_after.lua" %]]
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/recovery_steps.lua" %]]
local now = now_us()
local first = rank_after(open, after_us, after_id)
local page = redis.call("ZRANGE", open, first, first + count - 1, "WITHSCORES")
local stale = {}
for i = 1, #page, 2 do
  local record = read_status(page[i])
  local asked = record and (status == "" or record.status == status)
  if asked and recovery_steps(page[i], record, now, pending_us, dead_us) then
    stale[#stale + 1] = { page[i], record.queue }
  end
end
if #page < 2 * count then
  return { "PAGE", stale }
end
return { "PAGE", stale, page[#page], page[#page - 1] }
