--[[% use "lib/parse_status.lua" %]]
--[[% use "lib/renew_control.lua" %]]
-- Have those invocations of a submission that are known take over what concurrency control of them is now.
local function renew_known(columns, found)
  local known = {}
  for i, id in ipairs(found.ids) do
    if found.statuses[i] then
      local _, _, _, _, slot, unique, reroutes, digests = columns(i)
      known[id] = known[id] or parse_status(found.statuses[i])
      renew_control(id, known[id], slot, unique, reroutes, digests)
    end
  end
end
