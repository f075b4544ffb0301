--[[% use "lib/history_record.lua" %]]
--[[% use "lib/append_history.lua" %]]
--[[% use "lib/note_change.lua" %]]
-- Append the status of an invocation to its history, and note the change for triggers if `notes` is 1; `context_id`
-- is the runner that set it.
local function record_status(invocation_id, record, context_id, notes, registered_by)
  local records = redis.call("HGET", history, invocation_id) or ""
  append_history(invocation_id, records, history_record(record, context_id, registered_by), record.at_us)
  if notes == 1 then
    note_change(invocation_id, record)
  end
end
