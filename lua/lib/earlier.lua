--[[% use "lib/not_after.lua" %]]
-- Of a member of an index by time, what stands behind its prefix: 16 digits of time, then the id. As an
-- entry that sorts fast: most entries differ in time already.
local function entry_of(member, prefix)
  local text = string.sub(member, #prefix + 1)
  return { tonumber(string.sub(text, 1, 16)), text }
end

local function earlier(a, b)
  if a[1] ~= b[1] then
    return a[1] < b[1]
  end
  return a[2] ~= b[2] and not_after(a[2], b[2])
end
