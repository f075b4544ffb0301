--[[% use "lib/pack.lua" %]]
-- The member of `task_index` that an invocation has by its status.
local function task_member(invocation_id, record)
  local time = record.registered_us
  if #time ~= 16 then
    time = string.format("%016.0f", tonumber(time))
  end
  return pack(record.task, record.status) .. time .. invocation_id
end
