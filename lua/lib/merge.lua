--[[% use "lib/earlier.lua" %]]
-- `count` members behind the first `skip` (each as 16 digits of time and its id), of ranges of an
-- index by time that each are in order already: the next one is the first of all their heads.
-- `is_before` tells the order of two entries.
local function merge(prefixes, read, is_before, skip, count)
  local ranges = {}
  for _, prefix in ipairs(prefixes) do
    local members = read(prefix)
    if members[1] then
      ranges[#ranges + 1] = { prefix, members, 1, entry_of(members[1], prefix) }
    end
  end
  local texts = {}
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
      texts[#texts + 1] = first[4][2]
    end
    first[3] = first[3] + 1
    local member = first[2][first[3]]
    first[4] = member and entry_of(member, first[1])
  end
  return texts
end
