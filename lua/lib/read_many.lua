-- The values of fields of a hash, false for those that it does not have.
local function read_many(key, fields)
  if not fields[2] then
    return fields[1] and { redis.call("HGET", key, fields[1]) } or {}
  end
  local values = {}
  -- What unpack() may give is limited by Lua's stack, to 8,000 values.
  for first = 1, #fields, 1000 do
    local last = math.min(first + 999, #fields)
    for _, value in ipairs(redis.call("HMGET", key, unpack(fields, first, last))) do
      values[#values + 1] = value
    end
  end
  return values
end
