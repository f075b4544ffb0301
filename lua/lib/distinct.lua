-- The values of a batch with one column, each once.
local function distinct(count, value)
  local seen, found = {}, {}
  for i = 1, count do
    local each = value(i)
    if not seen[each] then
      seen[each] = true
      found[#found + 1] = each
    end
  end
  return found
end
