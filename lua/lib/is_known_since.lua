-- Whether a record knows a change that was made at `written_us` already: whatever came after it, here or
-- elsewhere, must not be undone by a call that is made again to a server that may have lost it.
local function is_known_since(record, written_us)
  return written_us ~= nil and tonumber(record.at_us) >= written_us
end
