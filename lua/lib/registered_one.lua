--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- The registered invocation that stands for all with that registration concurrency key, or nil.
local function registered_one(unique_key)
  local prefix = pack("unique", unique_key)
  local last = "(" .. prefix .. "\255"
  local found = redis.call("ZRANGE", concurrency, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 1)[1]
  return found and (unpack_field(found, #prefix + 1))
end
