#!lua flags=allow-oom
--- List an app, with what is needed to make it again.
-- @version 5
-- @key apps
-- @arg app_id id
-- @arg info bytes
-- @returns OK
-- @cost O(1)
redis.call("HSET", apps, app_id, info)
return { "OK" }
