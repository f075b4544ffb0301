--[[% use "lib/pack.lua" %]]
--[[% use "lib/client_data_references.lua" %]]
local function use_client_data(invocation_id, payload)
  for _, reference in ipairs(client_data_references(payload)) do
    redis.call("ZADD", client_data_uses, 0, pack(reference) .. pack(invocation_id))
  end
end
