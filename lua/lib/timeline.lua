--[[% use "lib/count_between.lua" %]]
--[[% use "lib/earlier.lua" %]]
-- The time at which a page begins, found by halving: a deep page costs as many steps as the times
-- have bits, not as many as it passes over. `is_passed` tells whether all up to a time are passed
-- over, seen from the end at which reading begins.
local function halve(low, high, is_passed)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_passed(middle) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local function merge(prefixes, read)
  local merged = {}
  for _, prefix in ipairs(prefixes) do
    for _, member in ipairs(read(prefix)) do
      merged[#merged + 1] = entry_of(member, prefix)
    end
  end
  return merged
end

local function cut(merged, skip, count)
  local ids = {}
  for i = skip + 1, math.min(skip + count, #merged) do
    ids[#ids + 1] = string.sub(merged[i][2], 17)
  end
  return ids
end
