--[[% use "lib/rules.lua" %]]
local function is(status, flag)
  local flags = rules(status)
  return flags ~= nil and string.find(flags, flag, 1, true) ~= nil
end
