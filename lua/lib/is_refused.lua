--[[% use "lib/status_machine.lua" %]]
--[[% use "lib/may_become.lua" %]]
-- Whether pynenc's validate_transition or validate_ownership refuse the change.
local function is_refused(record, status, owner)
  if not may_become(record.status, status) then
    return true
  end
  if is(status, "overrides") then
    return false
  end
  if is(record.status, "requires") and owner ~= record.owner then
    return true
  end
  return is(status, "acquires") and (owner or "") == ""
end
