--[[% use "lib/pack.lua" %]]
--[[% use "lib/missing.lua" %]]
-- The history record of a status; see keys.toml: history.
local function history_record(record, context_id, registered_by)
  local context = pack(context_id)
  return pack(record.at_us, record.status)
    .. record.owner
    .. missing
    .. (context == record.owner and missing or context)
    .. pack(registered_by or false)
end
