--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
--[[% use "lib/release_client_data.lua" %]]
-- Remove what a workflow left: its run, its list of sub-invocations, its data and its values.
local function forget_related(relation, workflow, data)
  local prefix = pack(relation) .. pack(workflow)
  local last = "(" .. prefix .. "\255"
  local members = redis.call("ZRANGE", index, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 1000)
  while members[1] do
    for _, member in ipairs(members) do
      redis.call("ZREM", index, member)
      if data then
        local name = string.sub(member, #pack(relation) + 1)
        release_client_data(workflow, redis.call("HGET", data, name) or "")
        redis.call("HDEL", data, name)
      end
    end
    members = redis.call("ZRANGE", index, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 1000)
  end
end

local function forget_workflow(invocation_id, record)
  local fields, position = {}, 1
  for i = 1, 9 do
    fields[i], position = unpack_field(record, position)
  end
  local workflow, parent = fields[6], fields[9]
  if not workflow then
    return
  end
  redis.call("ZREM", index, pack("sub") .. pack(workflow) .. pack(invocation_id))
  if workflow == invocation_id then
    local run = pack("run") .. pack(fields[7]) .. pack(fields[8]) .. pack(workflow)
    redis.call("ZREM", index, run .. (parent and pack(parent) or ":"))
    if parent then
      redis.call("ZREM", index, pack("sub") .. pack(parent) .. pack(workflow))
    end
    forget_related("sub", workflow, nil)
    forget_related("data", workflow, workflow_data)
    forget_related("value", workflow, workflow_values)
  end
end
