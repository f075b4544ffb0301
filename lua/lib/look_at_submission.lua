--[[% use "lib/index_members.lua" %]]
--[[% use "lib/known_invocations.lua" %]]
--[[% use "lib/refers.lua" %]]
--[[% use "lib/is_watched.lua" %]]
-- What stands in the way of a submission, and what is there already, before the first write: `columns(i)`
-- gives the columns of an item of orchestrator/submit. Each key is read here, and so meets its type; what
-- is no invocation record and no list of digests fails.
local function look_at_submission(count, columns, notes)
  local ids, members, parents = {}, {}, {}
  local watches, controls, uses = false, false, false
  for i = 1, count do
    local id, stored, serialized, task, _, unique_key, _, digests = columns(i)
    ids[i] = id
    members[i], parents[i] = index_members(id, stored)
    if digests ~= "" then
      --[[% inline "lib/parse_pairs.lua" %]]
      parse_pairs(digests)
    end
    watches = watches or notes == 1 and is_watched(task, "registered")
    controls = controls or unique_key ~= "" or digests ~= ""
    uses = uses or refers(serialized)
  end
  local found = {
    ids = ids,
    members = members,
    parents = parents,
    statuses = read_many(statuses, ids),
    invocations = known_invocations(ids),
    history = read_many(history, ids),
    queued = read_many(queued, ids),
  }
  for _, known in ipairs(found.statuses) do
    -- It may have had other control.
    controls = controls or known
  end
  if controls then
    redis.call("ZCARD", concurrency)
  end
  if watches then
    redis.call("ZCARD", changes)
  end
  if uses then
    redis.call("ZCARD", client_data_uses)
  end
  return found
end
