--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
-- Store runner contexts, given as a list of id, JSON, id, JSON, …, with the time at which they were
-- last sent.
local function store_contexts(found)
  local now = found[1] and decimal(now_us())
  for i = 1, #found, 2 do
    redis.call("HSET", runner_contexts, found[i], found[i + 1])
    redis.call("ZADD", context_times, now, found[i])
  end
end
