--[[% use "lib/unpack.lua" %]]
--[[% use "lib/record_at.lua" %]]
--[[% use "lib/rank_after.lua" %]]
-- The entries of `history_times` with (after_us, after_member) < (time, member), time <= end_us, at
-- most `count`, each as { time, member, invocation id, record, all records of the invocation }.
-- With an empty `after_member`, from `after_us` on. The record is nil where the history has gone.
local function history_page(after_us, after_member, end_us, count)
  local first = rank_after(history_times, after_us, after_member)
  local found = redis.call("ZRANGE", history_times, first, first + count - 1, "WITHSCORES")
  local page, limit = {}, tonumber(end_us)
  for i = 1, #found, 2 do
    local member, at_us = found[i], found[i + 1]
    if tonumber(at_us) > limit then
      break
    end
    local position, invocation_id = record_at(member)
    local records = redis.call("HGET", history, invocation_id) or ""
    local record = position <= #records and unpack_field(records, position) or nil
    page[#page + 1] = { at_us, member, invocation_id, record, records }
  end
  return page
end
