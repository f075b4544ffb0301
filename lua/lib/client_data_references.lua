-- The reference keys of client data in a serialized payload; an empty list costs one search. Exactly
-- 64 digits: what stands behind a reference in a packed list may begin with one.
local reference_pattern = "--[[= client_data_prefix ]]:" .. string.rep("%x", 64)

local function client_data_references(payload)
  local found = {}
  for reference in string.gmatch(payload, reference_pattern) do
    found[#found + 1] = reference
  end
  return found
end
