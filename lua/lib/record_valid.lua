--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/use_client_data.lua" %]]
-- Record that a condition is met. Each record has a version of its own, so that whoever has read an
-- older one neither fires for this one nor removes it.
local function record_valid(entry_id, condition_id, valid_condition)
  local newest = redis.call("ZRANGE", valid_order, 0, 0, "REV", "WITHSCORES")[2]
  local version = math.max(now_us(), newest and tonumber(newest) + 1 or 0)
  local packed = pack(condition_id, valid_condition, "")
  redis.call("HSET", valid_conditions, entry_id, packed)
  redis.call("ZADD", valid_order, decimal(version), entry_id)
  use_client_data("valid " .. entry_id, valid_condition)
end
