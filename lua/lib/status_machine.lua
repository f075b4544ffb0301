-- pynenc's status machine, generated from the installed pynenc.
local machine = {
  --[[% for rule in status_machine %]]
  ["--[[= rule.status ]]"] = {
    allowed = "--[[= rule.allowed ]]",
    flags = "--[[= rule.flags ]]",
  },
  --[[% endfor %]]
}

local function is(status, flag)
  return string.find(machine[status].flags, " " .. flag .. " ", 1, true) ~= nil
end
