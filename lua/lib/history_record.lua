--[[% use "lib/pack.lua" %]]
-- The history record of a status; see keys.toml: history.
local function history_record(record, context_id, registered_by)
  local context = context_id ~= record.owner and context_id
  return pack(record.at_us, record.status, record.owner, false, context, registered_by or false)
end
