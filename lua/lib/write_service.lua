--[[% use "lib/pack.lua" %]]
-- Store a table of lib/read_service.lua.
local function write_service(id, fields)
  redis.call("HSET", services, id, pack(unpack(fields, 1, 5)))
  redis.call("ZADD", service_times, fields[2], id)
end
