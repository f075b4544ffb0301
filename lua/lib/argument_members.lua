--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- The members of `concurrency` by which invocations are found by the values of their arguments.
local function argument_members(invocation_id, record)
  local members, position = {}, 1
  while position <= #record.digests do
    local name, digest
    name, position = unpack_field(record.digests, position)
    digest, position = unpack_field(record.digests, position)
    local argument = pack("argument") .. pack(record.task) .. pack(name) .. pack(digest)
    members[#members + 1] = argument .. pack(invocation_id)
  end
  return members
end
