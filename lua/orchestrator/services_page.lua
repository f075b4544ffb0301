#!lua flags=no-writes
--- Read one page of the executions of atomic services, the newest first.
--- They are those that began by a time.
-- @version 2
-- @key services
-- @key service_times
-- @arg until_us us
-- @arg offset int
-- @arg count count
-- @returns PAGE executions
-- @cost O(log N + offset + count)
local ids = redis.call(
  "ZRANGE", service_times, until_us, "-inf", "BYSCORE", "REV", "LIMIT", offset, count
)
local executions = {}
for i, id in ipairs(ids) do
  executions[i] = { id, redis.call("HGET", services, id) }
end
return { "PAGE", executions }
