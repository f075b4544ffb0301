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

-- The ids of `count` members behind the first `skip`, of ranges that each are in order already: the
-- next one is the first of all their heads. `is_before` tells the order of two entries.
local function merge(prefixes, read, is_before, skip, count)
  local ranges = {}
  for _, prefix in ipairs(prefixes) do
    local members = read(prefix)
    if members[1] then
      ranges[#ranges + 1] = { prefix, members, 1, entry_of(members[1], prefix) }
    end
  end
  local ids = {}
  for number = 1, skip + count do
    local first
    for _, range in ipairs(ranges) do
      if range[4] and (not first or is_before(range[4], first[4])) then
        first = range
      end
    end
    if not first then
      break
    end
    if number > skip then
      ids[#ids + 1] = string.sub(first[4][2], 17)
    end
    first[3] = first[3] + 1
    local member = first[2][first[3]]
    first[4] = member and entry_of(member, first[1])
  end
  return ids
end
