-- Write a field and its value (HSET), or a score and its member (ZADD). A script that writes many
-- gathers them instead (lib/gather.lua).
local put = redis.call
