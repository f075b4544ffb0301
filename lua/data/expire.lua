#!lua flags=allow-oom
--- Remove values that nothing refers to any more, at most `count` of them.
--- Replies with how many entries were looked at.
-- @version 7
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
  if not uses[1] then
    redis.call("HDEL", client_data, reference)
    for _, encoding in ipairs({ "p", "z" }) do
      local number = 1
      while redis.call("HDEL", client_data, prefix .. pack(encoding .. number)) == 1 do
        number = number + 1
      end
    end
  end
end
return { "OK", #idle }
