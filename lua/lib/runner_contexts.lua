--[[% use "lib/unpack.lua" %]]
-- Runner contexts, given as a packed list of id, JSON, id, JSON, …, as a plain list. It fails on
-- anything else: it is called before the first write.
local function parse_contexts(packed)
  local found, position = {}, 1
  while position <= #packed do
    local field
    field, position = unpack_field(packed, position)
    found[#found + 1] = assert(field, "contexts: no packed list of pairs")
  end
  assert(#found % 2 == 0 and position == #packed + 1, "contexts: no packed list of pairs")
  return found
end

local function store_contexts(found)
  for i = 1, #found, 2 do
    redis.call("HSET", runner_contexts, found[i], found[i + 1])
  end
end
