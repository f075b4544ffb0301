-- Whether a text is a status of pynenc's.
local function is_status(text)
  return false
    --[[% for status in status_targets %]]
    or text == "--[[= status ]]"
    --[[% endfor %]]
end
