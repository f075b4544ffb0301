--[[% use "lib/timeline.lua" %]]
-- The same from the other end: the oldest first.
local function oldest(key, prefixes, from, to, offset, count)
  local first_time = offset == 0 and from
    or halve(from, to + 1, function(time)
      return count_between(key, prefixes, from, time) > offset
    end)
  local passed = first_time > from and count_between(key, prefixes, from, first_time - 1) or 0
  local skip = offset - passed
  local function read(prefix)
    local first, last = "[" .. prefix .. time_text(first_time), "(" .. prefix .. time_text(to + 1)
    return redis.call("ZRANGE", key, first, last, "BYLEX", "LIMIT", 0, skip + count)
  end
  return ids_of(merge(prefixes, read, earlier, skip, count))
end
