--[[% use "lib/machine.lua" %]]
local function is_status(word)
  return string.find(word, "^[%l_]+$") and string.find(machine, " " .. word .. " ", 1, true) ~= nil
end
