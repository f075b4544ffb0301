-- pynenc's status machine, generated from the installed pynenc.
local machine = {
  --[[% for rule in status_machine %]]
  ["--[[= rule.status ]]"] = {
    allowed = "--[[= rule.allowed ]]",
    flags = "--[[= rule.flags ]]",
  },
  --[[% endfor %]]
}
