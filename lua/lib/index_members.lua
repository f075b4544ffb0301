--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack_list.lua" %]]
-- The members of `index` that belong to an invocation record (see keys.toml: invocations, index).
local function index_members(invocation_id, record)
  local fields = unpack_list(record)
  local module, func, args_id, parent, event, workflow, workflow_module, workflow_func =
    fields[1], fields[2], fields[3], fields[4], fields[5], fields[6], fields[7], fields[8]
  local id = pack(invocation_id)
  local members = { pack("call", module .. "." .. func .. ":" .. args_id) .. id }
  if parent then
    members[#members + 1] = pack("parent", parent) .. id
  end
  if event then
    members[#members + 1] = pack("event", event) .. id
  end
  if workflow then
    local workflow_type = pack(workflow_module .. "." .. workflow_func)
    members[#members + 1] = pack("workflow", workflow) .. workflow_type .. id
    members[#members + 1] = pack("type") .. workflow_type .. id
  end
  return members
end
