#!lua flags=no-writes
--- Read the invocations that an event triggered, packed, in the order in which it did.
-- @version 2
-- @key event_links
-- @arg event_id id
-- @returns OK invocation_ids
-- @cost O(1)
return { "OK", redis.call("HGET", event_links, event_id) or "" }
