-- pynenc's status machine, generated from the installed pynenc. It is comparisons, for tables would be
-- made anew in each call.
local function is(status, flag)
  --[[% for flag, statuses in status_flags.items() %]]
  if flag == "--[[= flag ]]" then
    return false
      --[[% for status in statuses %]]
      or status == "--[[= status ]]"
      --[[% endfor %]]
  end
  --[[% endfor %]]
end
