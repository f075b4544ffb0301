--[[% use "lib/pack.lua" %]]
-- The members of `concurrency` that an invocation has by its status. It holds a slot from the claim
-- on: between claim and start nobody else may get it.
local function concurrency_members(invocation_id, record)
  local status, members = record.status, {}
  if record.slot ~= "" and (status == "pending" or status == "running") then
    members[1] = pack("slot", record.slot, status, invocation_id)
  end
  if record.unique ~= "" and status == "registered" then
    members[#members + 1] = pack("unique", record.unique, invocation_id)
  end
  return members
end
