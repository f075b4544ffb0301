#!lua flags=no-writes
--- Read one page of conditions by a beginning of condition_index.
--- Each entry is the member of the index and the condition.
-- @version 4
-- @key conditions
-- @key condition_index
-- @arg prefix bytes
-- @arg after bytes
-- @arg count count
-- @returns PAGE entries
-- @cost O(log N + count)
--[[% use "lib/unpack_list.lua" %]]
local first = after == "" and "[" .. prefix or "(" .. after
local last = "(" .. prefix .. "\255"
local members = redis.call("ZRANGE", condition_index, first, last, "BYLEX", "LIMIT", 0, count)
local entries = {}
for i, member in ipairs(members) do
  local fields = unpack_list(member)
  entries[i] = { member, redis.call("HGET", conditions, fields[#fields]) }
end
return { "PAGE", entries }
