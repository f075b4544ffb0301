--[[% use "lib/timeline.lua" %]]
local function later(a, b)
  return earlier(b, a)
end

-- A page of several ranges of an index by time, the newest first, behind `offset` of them.
local function newest(key, prefixes, from, to, offset, count)
  local before = offset == 0 and to + 1
    or halve(from, to + 1, function(time)
      return count_between(key, prefixes, time, to) <= offset
    end)
  local skip = offset - (before > to and 0 or count_between(key, prefixes, before, to))
  local function read(prefix)
    local first, last = "(" .. prefix .. time_text(before), "[" .. prefix .. time_text(from)
    return redis.call("ZRANGE", key, first, last, "BYLEX", "REV", "LIMIT", 0, skip + count)
  end
  return ids_of(merge(prefixes, read, later, skip, count))
end
