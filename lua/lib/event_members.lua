--[[% use "lib/pack.lua" %]]
-- The members of `event_index` that an event has (a table of lib/read_event.lua).
local function event_members(event_id, fields)
  local behind = pack(fields[3], fields[4])
  behind = behind .. string.format("%016.0f", tonumber(fields[2])) .. event_id
  local members = { pack("all") .. behind, pack("code", fields[1]) .. behind }
  if fields[5] then
    members[#members + 1] = pack("invocation", fields[5]) .. behind
  end
  if fields[6] then
    members[#members + 1] = pack("task", fields[6]) .. behind
  end
  return members
end
