-- Wake idle workers: one token each for up to 8 of them. A woken worker that leaves something in the
-- queue rings again, so that no number of tokens has to be right; unheard ones vanish in a minute.
local function ring(count)
  if count > 0 and doorbell_size < 8 then
    local tokens = {}
    for i = 1, math.min(count, 8) do
      tokens[i] = "1"
    end
    redis.call("LPUSH", doorbell, unpack(tokens))
    redis.call("EXPIRE", doorbell, 60)
  end
end
