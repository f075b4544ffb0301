--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- The distinct first fields behind a prefix of an index, leaping from one to the next.
local function distinct_page(key, prefix, after, count)
  local from = after == "" and "[" .. prefix or "(" .. prefix .. pack(after) .. "\255"
  local last, found = "(" .. prefix .. "\255", {}
  while #found < count do
    local member = redis.call("ZRANGE", key, from, last, "BYLEX", "LIMIT", 0, 1)[1]
    if not member then
      break
    end
    found[#found + 1] = unpack_field(member, #prefix + 1)
    from = "(" .. prefix .. pack(found[#found]) .. "\255"
  end
  return found
end
