--[[% use "lib/pack.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/client_data_references.lua" %]]
-- The opposite of use_client_data: what nobody else uses either is idle from now on.
local function release_client_data(user_id, payload)
  for _, reference in ipairs(client_data_references(payload)) do
    redis.call("ZREM", client_data_uses, pack(reference, user_id))
    redis.call("ZADD", client_data_idle, decimal(now_us()), reference)
  end
end
