--[[% use "lib/waits.lua" %]]
-- Whether anybody waits for an invocation, or it for anybody.
local function has_edges(invocation_id)
  return waits_size > 0
    and (edges("by", invocation_id, 1)[1] ~= nil or edges("for", invocation_id, 1)[1] ~= nil)
end
