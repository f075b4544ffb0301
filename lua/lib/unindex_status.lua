--[[% use "lib/task_member.lua" %]]
--[[% use "lib/put.lua" %]]
local function unindex_status(invocation_id, record)
  put("ZREM", task_index, task_member(invocation_id, record))
  if record.slot ~= "" or record.unique ~= "" then
    --[[% inline "lib/concurrency_members.lua" %]]
    for _, member in ipairs(concurrency_members(invocation_id, record)) do
      put("ZREM", concurrency, member)
    end
  end
end
