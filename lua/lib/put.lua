-- Write a field and its value (HSET), or a score and its member (ZADD), or remove one (HDEL, ZREM). A
-- script that writes many, or removes many, gathers them instead (lib/gather.lua).
local put = redis.call
