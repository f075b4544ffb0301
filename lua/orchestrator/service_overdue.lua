#!lua flags=no-writes
--- Tell whether nobody has run the atomic service for a time.
--- A runner that is younger than that does not call it overdue: the others may be about to run it.
-- @version 1
-- @key runners
-- @key services
-- @key service_times
-- @arg runner_id id
-- @arg after_us int
-- @returns OVERDUE | FINE
-- @cost O(log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/read_service.lua" %]]
local before = now_us() - after_us
local said = redis.call("HGET", runners, runner_id)
if not said or tonumber((unpack_field(said, 1))) > before then
  return { "FINE" }
end
for _, id in ipairs(redis.call("ZRANGE", service_times, 0, 99, "REV")) do
  local execution = read_service(id)
  if execution and execution[4] ~= "blocked" then
    return { tonumber(execution[2]) > before and "FINE" or "OVERDUE" }
  end
end
return { "OVERDUE" }
