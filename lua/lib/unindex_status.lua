--[[% use "lib/status_members.lua" %]]
local function unindex_status(invocation_id, record)
  redis.call("ZREM", task_index, task_member(invocation_id, record))
  for _, member in ipairs(concurrency_members(invocation_id, record)) do
    redis.call("ZREM", concurrency, member)
  end
end
