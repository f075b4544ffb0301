--[[% use "lib/task_member.lua" %]]
--[[% use "lib/put.lua" %]]
local function index_status(invocation_id, record)
  put("ZADD", task_index, "0", task_member(invocation_id, record))
  if record.slot ~= "" or record.unique ~= "" then
    --[[% inline "lib/concurrency_members.lua" %]]
    for _, member in ipairs(concurrency_members(invocation_id, record)) do
      put("ZADD", concurrency, "0", member)
    end
  end
end
