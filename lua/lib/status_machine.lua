--[[% use "lib/machine.lua" %]]
local function is(status, flag)
  return string.find(machine, " " .. status .. ":" .. flag .. " ", 1, true) ~= nil
end
