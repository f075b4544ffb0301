--[[% use "lib/status_members.lua" %]]
local function index_status(invocation_id, record)
  redis.call("ZADD", task_index, 0, task_member(invocation_id, record))
  for _, member in ipairs(concurrency_members(invocation_id, record)) do
    redis.call("ZADD", concurrency, 0, member)
  end
end
