--[[% use "lib/append_history.lua" %]]
-- Append the status of an invocation to its history; `context_id` is the runner that set it.
local function record_status(invocation_id, record, context_id, registered_by)
  local records = redis.call("HGET", history, invocation_id) or ""
  local entry = pack(record.at_us)
    .. pack(record.status)
    .. record.owner
    .. ":"
    .. pack(context_id)
    .. (registered_by and pack(registered_by) or ":")
  append_history(invocation_id, records, entry, record.at_us)
end
