--[[% use "lib/pack.lua" %]]
-- Store a table of lib/read_service.lua.
local function write_service(id, fields)
  local ended = fields[3] and pack(fields[3]) or ":"
  local packed = pack(fields[1]) .. pack(fields[2]) .. ended .. pack(fields[4]) .. pack(fields[5])
  redis.call("HSET", services, id, packed)
  redis.call("ZADD", service_times, fields[2], id)
end
