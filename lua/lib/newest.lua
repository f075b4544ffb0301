--[[% use "lib/earlier.lua" %]]
local function time_text(time)
  return string.format("%016.0f", time)
end

local function count_since(prefixes, time)
  local count = 0
  for _, prefix in ipairs(prefixes) do
    local from = "[" .. prefix .. time_text(time)
    count = count + redis.call("ZLEXCOUNT", task_index, from, "(" .. prefix .. "\255")
  end
  return count
end

-- The earliest time of which at most `offset` members are as new or newer, found by halving: a deep
-- page costs as many steps as the times have bits, not as many as it passes over.
local function time_before(prefixes, offset)
  local low, high = 0, 2 ^ 52
  while low < high do
    local middle = math.floor((low + high) / 2)
    if count_since(prefixes, middle) <= offset then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

-- The members of several ranges merged, the newest first, behind `offset` of them.
local function newest(prefixes, offset, count)
  local before = offset > 0 and time_before(prefixes, offset) or 2 ^ 52
  local skip = offset - count_since(prefixes, before)
  local merged = {}
  for _, prefix in ipairs(prefixes) do
    local from = "(" .. prefix .. time_text(before)
    local members = redis.call(
      "ZRANGE", task_index, from, "[" .. prefix, "BYLEX", "REV", "LIMIT", 0, skip + count
    )
    for _, member in ipairs(members) do
      merged[#merged + 1] = entry_of(member, prefix)
    end
  end
  table.sort(merged, function(a, b)
    return earlier(b, a)
  end)
  local ids = {}
  for i = skip + 1, math.min(skip + count, #merged) do
    ids[#ids + 1] = string.sub(merged[i][2], 17)
  end
  return ids
end
