--[[% use "lib/index_members.lua" %]]
--[[% use "lib/read_many.lua" %]]
-- The records that ids have in `invocations`, false where there is none, before they are replaced: their
-- members of `index` go then, so one that is damaged has to fail before the first write.
local function known_invocations(ids)
  local known = read_many(invocations, ids)
  for i, record in ipairs(known) do
    local _ = record and index_members(ids[i], record)
  end
  return known
end
