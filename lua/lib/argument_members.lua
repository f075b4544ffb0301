--[[% use "lib/pack.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
-- The members of `concurrency` by which invocations are found by the values of their arguments.
local function argument_members(invocation_id, record)
  local members, found = {}, parse_pairs(record.digests)
  for i = 1, #found, 2 do
    local argument = pack("argument", record.task, found[i], found[i + 1])
    members[#members + 1] = argument .. pack(invocation_id)
  end
  return members
end
