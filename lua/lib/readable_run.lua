--[[% use "lib/readable_list.lua" %]]
-- The time of a record of `trigger_runs` and its beginnings in the index, or nil for what is none.
local function readable_run(packed)
  local fields = packed and readable_list(packed, 3)
  local time = fields and fields[1]
  if not time or #time ~= 16 or not (fields[2] and fields[3]) then
    return nil
  end
  local prefixes = readable_list(fields[2])
  for _, prefix in ipairs(prefixes or {}) do
    if not prefix then
      return nil
    end
  end
  return prefixes and time, prefixes
end
