--[[% use "lib/pack.lua" %]]
--[[% use "lib/client_data_references.lua" %]]
-- Note that a payload of an invocation or a workflow refers to client data, which is kept for it.
local function use_client_data(user_id, payload)
  for _, reference in ipairs(client_data_references(payload)) do
    redis.call("ZADD", client_data_uses, 0, pack(reference) .. pack(user_id))
  end
end
