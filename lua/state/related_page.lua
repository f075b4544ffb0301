#!lua flags=no-writes
--- Read one page of the index: the members that begin with a prefix.
--- They come in lexical order, behind the member `after` (empty for the first page).
-- @version 2
-- @key index
-- @arg prefix bytes
-- @arg after bytes
-- @arg count count
-- @returns PAGE members
-- @cost O(log N + count)
-- No packed field begins with the byte 255, so it ends the range.
local first = after == "" and "[" .. prefix or "(" .. after
return {
  "PAGE",
  redis.call("ZRANGE", index, first, "(" .. prefix .. "\255", "BYLEX", "LIMIT", 0, count),
}
