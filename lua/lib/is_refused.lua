--[[% use "lib/is_nobody.lua" %]]
--[[% use "lib/status_machine.lua" %]]
-- Whether pynenc's validate_transition or validate_ownership refuse the change. Owners are packed.
local function is_refused(record, status, owner)
  local _, targets = rules(record.status)
  if not (targets and rules(status)) or not string.find(targets, " " .. status .. " ", 1, true) then
    return true
  end
  if is(status, "overrides") then
    return false
  end
  if is(record.status, "requires") and owner ~= record.owner then
    return true
  end
  return is(status, "acquires") and is_nobody(owner)
end
