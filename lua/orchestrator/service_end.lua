#!lua flags=allow-oom
--- Record the end of an atomic service; the first end stands.
-- @version 7
-- @key services
-- @key service_times
-- @key service_holder
-- @arg service_id id
-- @arg runner_id id
-- @arg ended us
-- @arg status id
-- @arg reason str
-- @returns OK
-- @cost O(log N)
--[[% use "lib/read_service.lua" %]]
--[[% use "lib/write_service.lua" %]]
local known = read_service(service_id)
if known and known[4] ~= "running" then
  return { "OK" }
end
start_writing()
local why = reason ~= "" and reason or known and known[5] or ""
write_service(service_id, { runner_id, known and known[2] or ended, ended, status, why })
if redis.call("GET", service_holder) == service_id then
  redis.call("DEL", service_holder)
end
return { "OK" }
