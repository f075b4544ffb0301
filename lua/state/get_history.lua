#!lua flags=no-writes
--- Read the history of an invocation, in the order in which it was recorded.
-- @version 2
-- @key history
-- @arg invocation_id id
-- @returns OK records
-- @cost O(length of the history)
return { "OK", redis.call("HGET", history, invocation_id) or "" }
