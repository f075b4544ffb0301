-- Whether pynenc's status machine has a way from one status to another; from and to what is none it has
-- no way.
local function may_become(from, to)
  --[[% for status, targets in status_targets.items() %]]
  if from == "--[[= status ]]" then
    return false
      --[[% for target in targets %]]
      or to == "--[[= target ]]"
      --[[% endfor %]]
  end
  --[[% endfor %]]
  return false
end
