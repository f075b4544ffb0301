--[[% use "lib/not_after.lua" %]]
-- The rank in a sorted set from which a page goes on: behind (at_us, member), which need not
-- exist any more. Members of one microsecond are in lexical order, so their place is found by
-- halving instead of reading them all: a batch may have put 100,000 there.
local function rank_after(key, at_us, member)
  local low = redis.call("ZCOUNT", key, "-inf", "(" .. at_us)
  local high = redis.call("ZCOUNT", key, "-inf", at_us)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if not_after(redis.call("ZRANGE", key, middle, middle)[1], member) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end
