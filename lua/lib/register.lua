--[[% use "lib/write_status.lua" %]]
--[[% use "lib/index_status.lua" %]]
--[[% use "lib/put.lua" %]]
-- Register an invocation that is not known yet.
local function register(invocation_id, record)
  write_status(invocation_id, record)
  index_status(invocation_id, record)
  put("ZADD", registered, record.registered_us, invocation_id)
  put("ZADD", open, record.registered_us, invocation_id)
  if record.digests ~= "" then
    --[[% inline "lib/argument_members.lua" %]]
    for _, member in ipairs(argument_members(invocation_id, record)) do
      put("ZADD", concurrency, "0", member)
    end
  end
end
