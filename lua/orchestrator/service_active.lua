#!lua flags=no-writes
--- Read the execution of an atomic service that is running, if there is one.
-- @version 2
-- @key services
-- @key service_holder
-- @returns FOUND id execution | NONE
-- @cost O(1)
local holder = redis.call("GET", service_holder)
local execution = holder and redis.call("HGET", services, holder)
if not execution then
  return { "NONE" }
end
return { "FOUND", holder, execution }
