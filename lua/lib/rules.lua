-- pynenc's status machine, generated from the installed pynenc: the flags of a status, and what it may
-- become between blanks; nothing of what is no status. A table would be made anew in each call.
local function rules(status)
  --[[% for status, (flags, targets) in status_machine.items() %]]
  if status == "--[[= status ]]" then
    return "--[[= flags ]]", " --[[= targets ]] "
  end
  --[[% endfor %]]
end
