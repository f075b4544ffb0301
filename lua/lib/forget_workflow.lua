--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack_list.lua" %]]
--[[% use "lib/release_client_data.lua" %]]
-- Remove up to `limit` members of a relation of a workflow, and what `data` (a hash or nil) holds for
-- them; replies with how many went.
local function forget_related(relation, workflow, data, limit)
  local prefix = pack(relation, workflow)
  local last = "(" .. prefix .. "\255"
  local members = redis.call("ZRANGE", index, "[" .. prefix, last, "BYLEX", "LIMIT", 0, limit)
  for _, member in ipairs(members) do
    redis.call("ZREM", index, member)
    if data then
      local name = string.sub(member, #pack(relation) + 1)
      release_client_data(workflow, redis.call("HGET", data, name) or "")
      redis.call("HDEL", data, name)
    end
  end
  return #members
end

local function is_last_of(workflow, invocation_id)
  local prefix = pack("workflow", workflow)
  local last = "(" .. prefix .. "\255"
  local members = redis.call("ZRANGE", index, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 2)
  local own = pack(invocation_id)
  return #members == 0 or #members == 1 and string.sub(members[1], -#own) == own
end

-- Remove what an invocation leaves of its workflow: its run with the root, its data and values with
-- the last of its invocations, for which others may still ask. At most `limit` members of each
-- relation; replies with how many went.
local function forget_workflow(invocation_id, record, limit)
  local fields = unpack_list(record)
  local workflow, parent = fields[6], fields[9]
  if not workflow then
    return 0
  end
  redis.call("ZREM", index, pack("sub", workflow, invocation_id))
  if workflow == invocation_id then
    local run = pack("run", fields[7], fields[8], workflow)
    redis.call("ZREM", index, run .. pack(parent))
    if parent then
      redis.call("ZREM", index, pack("sub", parent, workflow))
    end
  end
  if not is_last_of(workflow, invocation_id) then
    return 0
  end
  return forget_related("sub", workflow, nil, limit)
    + forget_related("data", workflow, workflow_data, limit)
    + forget_related("value", workflow, workflow_values, limit)
end
