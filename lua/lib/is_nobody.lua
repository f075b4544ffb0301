--[[% use "lib/missing.lua" %]]
-- Whether a packed owner is none, or one without a name.
local function is_nobody(owner)
  return owner == missing or owner == "\160"
end
