--[[% use "lib/pack.lua" %]]
--[[% use "lib/call_member.lua" %]]
-- The members of `index` that belong to an invocation record (see keys.toml: invocations, index), and the
-- parent that it names, or false. It fails on what is no record.
local function index_members(invocation_id, record)
  local module, func, args_id, parent, event, workflow, workflow_module, workflow_func =
    cmsgpack.unpack(record)
  if type(module) ~= "string" or type(func) ~= "string" or type(args_id) ~= "string" then
    error("no invocation record: " .. string.sub(record, 1, 80))
  end
  local members = { call_member(module .. "." .. func .. ":" .. args_id, invocation_id) }
  if parent then
    members[#members + 1] = pack("parent", parent, invocation_id)
  end
  if event then
    members[#members + 1] = pack("event", event, invocation_id)
  end
  if workflow then
    local workflow_type = workflow_module .. "." .. workflow_func
    members[#members + 1] = pack("workflow", workflow, workflow_type, invocation_id)
    members[#members + 1] = pack("type", workflow_type, invocation_id)
  end
  return members, parent
end
