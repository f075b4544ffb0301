--[[% use "lib/history_record.lua" %]]
--[[% use "lib/append_history.lua" %]]
--[[% use "lib/note_change.lua" %]]
-- Append the status of an invocation to the `records` of its history, and note the change for triggers
-- if `notes` is 1; `context_id` is the runner that set it, `parent` the invocation that submitted it.
local function record_status_behind(records, invocation_id, record, context_id, notes, parent)
  local entry = history_record(record, context_id, parent)
  append_history(invocation_id, records or "", entry, record.at_us)
  if notes == 1 then
    note_change(invocation_id, record)
  end
end
