#!lua flags=no-writes
--- Read one page of the apps on this server.
--- Replies with the cursor of the next page, "0" after the last. As HSCAN's, a page may repeat what
--- an earlier one held.
-- @version 2
-- @key apps
-- @arg cursor str
-- @arg count count
-- @returns PAGE cursor fields
-- @cost O(count)
local scanned = redis.call("HSCAN", apps, cursor, "COUNT", count)
return { "PAGE", scanned[1], scanned[2] }
