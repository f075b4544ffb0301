--[[% use "lib/refers.lua" %]]
-- The reference keys of client data in a serialized payload; an empty list costs one search. Exactly
-- 64 digits: what stands behind a reference in a payload may begin with one.
local function client_data_references(payload)
  local found = {}
  if refers(payload) then
    for reference in string.gmatch(payload, reference_prefix .. string.rep("%x", 64)) do
      found[#found + 1] = reference
    end
  end
  return found
end
