--[[% use "lib/status_members.lua" %]]
--[[% use "lib/put.lua" %]]
local function unindex_status(invocation_id, record)
  put("ZREM", task_index, task_member(invocation_id, record))
  for _, member in ipairs(concurrency_members(invocation_id, record)) do
    put("ZREM", concurrency, member)
  end
end
