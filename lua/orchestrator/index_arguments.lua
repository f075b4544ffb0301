#!lua
--- Make an invocation findable by the values of its arguments.
-- @version 9
-- @key statuses
-- @key concurrency
-- @arg invocation_id id
-- @arg digests bytes
-- @returns OK | UNKNOWN
-- @cost O(n log N) for n arguments
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/write_status.lua" %]]
--[[% use "lib/argument_members.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
local record = read_status(invocation_id)
if not record then
  return { "UNKNOWN" }
end
parse_pairs(digests)
start_writing()
for _, member in ipairs(argument_members(invocation_id, record)) do
  redis.call("ZREM", concurrency, member)
end
record.digests = digests
for _, member in ipairs(argument_members(invocation_id, record)) do
  redis.call("ZADD", concurrency, 0, member)
end
write_status(invocation_id, record)
return { "OK" }
