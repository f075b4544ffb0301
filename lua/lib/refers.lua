local reference_prefix = "--[[= client_data_prefix ]]:"

-- Whether a serialized payload may refer to client data.
local function refers(payload)
  return string.find(payload, reference_prefix, 1, true) ~= nil
end
