-- A field of a packed list; see the head of keys.toml.
local function pack(field)
  return #field .. ":" .. field
end
