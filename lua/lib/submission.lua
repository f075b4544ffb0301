--[[% use "lib/index_members.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
-- What lib/submit.lua takes of an invocation: how it is submitted (`by`: owner, operation, queue,
-- priority), when, and the columns of an item of orchestrator/submit. It fails on what is no invocation
-- record and no digests, so it is made before the first write.
local function submission(by, at_us, id, stored, serialized, task, slot, unique_key, reroutes, digests)
  parse_pairs(digests)
  local members, parent = index_members(id, stored)
  return {
    invocation_id = id,
    stored = stored,
    members = members,
    parent = parent,
    serialized = serialized,
    record = {
      owner = by.owner,
      at_us = at_us,
      op = by.op,
      task = task,
      queue = by.queue,
      priority = by.priority,
      slot = slot,
      unique = unique_key,
      reroutes = reroutes,
      digests = digests,
    },
  }
end
