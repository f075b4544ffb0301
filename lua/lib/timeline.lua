--[[% use "lib/count_between.lua" %]]
--[[% use "lib/merge.lua" %]]
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

local function ids_of(texts)
  local ids = {}
  for i, text in ipairs(texts) do
    ids[i] = string.sub(text, 17)
  end
  return ids
end
