-- Fields as a packed list, false for one that is missing; see the head of keys.toml.
local pack = cmsgpack.pack
