--[[% use "lib/pack.lua" %]]
-- Whether another invocation holds the slot of running concurrency control in that status.
local function slot_taken(record, invocation_id, status)
  if record.slot == "" then
    return false
  end
  local prefix = pack("slot", record.slot, status)
  local last = "(" .. prefix .. "\255"
  local holders = redis.call("ZRANGE", concurrency, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 2)
  local own = prefix .. pack(invocation_id)
  return holders[1] ~= nil and (holders[1] ~= own or holders[2] ~= nil)
end
