-- Indexes by time: behind its prefix each member has 16 digits of time, then the id. Several ranges of
-- one index are read as one, between two times (inclusive).
local function time_text(time)
  return string.format("%016.0f", time)
end

local function count_between(key, prefixes, from, to)
  local count = 0
  for _, prefix in ipairs(prefixes) do
    local first, last = "[" .. prefix .. time_text(from), "(" .. prefix .. time_text(to + 1)
    count = count + redis.call("ZLEXCOUNT", key, first, last)
  end
  return count
end
