#!lua flags=no-writes
--- Read what is listed of an app.
-- @version 2
-- @key apps
-- @arg app_id id
-- @returns FOUND info | NONE
-- @cost O(1)
local info = redis.call("HGET", apps, app_id)
if not info then
  return { "NONE" }
end
return { "FOUND", info }
