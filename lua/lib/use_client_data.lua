--[[% use "lib/pack.lua" %]]
--[[% use "lib/client_data_references.lua" %]]
-- Note that a payload refers to client data, which is kept for its user: an invocation, a workflow,
-- or an event, a condition or a trigger.
local function use_client_data(user_id, payload)
  for _, reference in ipairs(client_data_references(payload)) do
    redis.call("ZADD", client_data_uses, 0, pack(reference, user_id))
  end
end
