--[[% use "lib/time_member.lua" %]]
--[[% use "lib/put.lua" %]]
-- Append a record (bytes) of time `at_us` (decimal text) to an invocation's history `records`.
local function append_history(invocation_id, records, record, at_us)
  put("HSET", history, invocation_id, records .. pack(record))
  put("ZADD", history_times, at_us, time_member(#records + 1, time_name(invocation_id)))
end
