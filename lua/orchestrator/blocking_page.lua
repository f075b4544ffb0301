#!lua flags=no-writes
--- Read the oldest invocations that others wait for and that are free to run.
-- @version 2
-- @key blocking
-- @arg count count
-- @returns OK invocation_ids
-- @cost O(log N + count)
return { "OK", redis.call("ZRANGE", blocking, 0, count - 1) }
