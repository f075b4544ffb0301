--[[% use "lib/release_client_data.lua" %]]
local function remove_valid(entry_id)
  release_client_data("valid " .. entry_id, redis.call("HGET", valid_conditions, entry_id) or "")
  redis.call("HDEL", valid_conditions, entry_id)
  redis.call("ZREM", valid_order, entry_id)
end
