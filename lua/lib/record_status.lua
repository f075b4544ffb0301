--[[% use "lib/record_status_behind.lua" %]]
-- As record_status_behind, for an invocation whose history is not at hand.
local function record_status(invocation_id, record, context_id, notes)
  local records = redis.call("HGET", history, invocation_id)
  record_status_behind(records, invocation_id, record, context_id, notes)
end
