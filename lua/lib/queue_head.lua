--[[% use "lib/pack.lua" %]]
-- The first `count` members of a queue, and the invocation that a member stands for.
local function queue_head(name, count)
  local prefix = pack(name)
  local last = "(" .. prefix .. "\255"
  return redis.call("ZRANGE", queue, "[" .. prefix, last, "BYLEX", "LIMIT", 0, count)
end

-- Behind the name come 8 bytes of priority and 16 digits of sequence number.
local function queued_id(name, member)
  return string.sub(member, #pack(name) + 25)
end
