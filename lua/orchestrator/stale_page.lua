#!lua flags=no-writes
--- Read one page of the invocations that are not final, and which of them stand still.
--- With a status, those in it alone. Each comes with its queue. The next page goes on behind
--- (time, id); there is none when no time is given.
-- @version 7
-- @key statuses
-- @key open
-- @key queued
-- @key heartbeats
-- @key heartbeats_since
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
--[[% use "lib/unpack.lua" %]]
--[[% use "lib/parse_status.lua" %]]
--[[% use "lib/recovery_steps.lua" %]]
local now = now_us()
local first = rank_after(open, after_us, after_id)
local page = redis.call("ZRANGE", open, first, first + count - 1, "WITHSCORES")
local ids = {}
for i = 1, #page, 2 do
  ids[#ids + 1] = page[i]
end
local places = ids[1] and redis.call("HMGET", queued, unpack(ids)) or {}
local records = ids[1] and redis.call("HMGET", statuses, unpack(ids)) or {}
local stale = {}
for i, id in ipairs(ids) do
  local packed = records[i]
  local known = packed and unpack_field(packed, 1)
  -- Most of what is open is queued and waits its turn: its record need not be taken apart.
  if known and (status == "" or status == known) and not (places[i] and is(known, "available")) then
    local record = parse_status(packed)
    if recovery_steps(id, record, now, pending_us, dead_us) then
      stale[#stale + 1] = { id, record.queue }
    end
  end
end
if #ids < count then
  return { "PAGE", stale }
end
return { "PAGE", stale, page[#page], page[#page - 1] }
