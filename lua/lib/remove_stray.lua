--[[% use "lib/findings.lua" %]]
-- A member that nothing implies goes.
local function remove_stray(key, member, id, text)
  report("stray", key, id, text, { "ZREM", key, member })
end
