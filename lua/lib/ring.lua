-- Wake idle workers: one token each for up to 8 of them. A woken worker that leaves something in the
-- queue rings again, so that no number of tokens has to be right; unheard ones vanish in a minute.
local function ring(count)
  if count > 0 and redis.call("LLEN", doorbell) < 8 then
    for _ = 1, math.min(count, 8) do
      redis.call("LPUSH", doorbell, "1")
    end
  end
  if count > 0 then
    redis.call("EXPIRE", doorbell, 60)
  end
end
