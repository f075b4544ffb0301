#!lua
--- Remove values that nothing has referred to for a time, at most `count` of them.
--- Replies with how many entries were looked at.
-- @version 1
-- @key client_data
-- @key client_data_uses
-- @key client_data_idle
-- @arg age_us int
-- @arg count count
-- @returns OK looked_at
-- @cost O(count log N), and the chunks of large values
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
local before = decimal(now_us() - age_us)
local idle =
  redis.call("ZRANGE", client_data_idle, "-inf", before, "BYSCORE", "LIMIT", 0, count)
start_writing()
for _, reference in ipairs(idle) do
  redis.call("ZREM", client_data_idle, reference)
  local prefix = pack(reference)
  local last = "(" .. prefix .. "\255"
  local uses =
    redis.call("ZRANGE", client_data_uses, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 1)
  local head = redis.call("HGET", client_data, reference)
  if head and not uses[1] then
    local _, position = unpack_field(head, 1)
    for number = 1, tonumber((unpack_field(head, position))) - 1 do
      redis.call("HDEL", client_data, prefix .. pack(tostring(number)))
    end
    redis.call("HDEL", client_data, reference)
  end
end
return { "OK", #idle }
