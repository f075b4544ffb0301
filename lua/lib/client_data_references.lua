-- The reference keys of client data in a serialized payload; an empty list costs one search.
local function client_data_references(payload)
  local found = {}
  for reference in string.gmatch(payload, "--[[= client_data_prefix ]]:%x+") do
    found[#found + 1] = reference
  end
  return found
end
