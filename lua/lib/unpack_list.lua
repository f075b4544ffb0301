local function fields_of(offset, ...)
  return offset, select("#", ...), { ... }
end

-- All fields of a packed list; false for one that is missing. It fails on anything else, so what comes
-- as an argument is taken apart before the first write.
local function unpack_list(packed)
  local list, offset = {}, #packed > 0 and 0 or -1
  while offset >= 0 do
    -- All at once would not fit on Lua's stack where they are thousands.
    local count, fields
    offset, count, fields = fields_of(cmsgpack.unpack_limit(packed, 1000, offset))
    for i = 1, count do
      local field = fields[i]
      if type(field) ~= "string" and field ~= false then
        error("no packed list: " .. string.sub(packed, 1, 80))
      end
      list[#list + 1] = field
    end
  end
  return list
end
