#!lua flags=no-writes
--- Read one page of valid conditions in the order in which they were recorded.
--- They are those behind the version `after`. Each entry is id, version, condition id, valid condition
--- and the ids of the triggers that fired for it.
-- @version 4
-- @key valid_conditions
-- @key valid_order
-- @arg after us
-- @arg count count
-- @returns PAGE entries
-- @cost O(log N + count)
--[[% use "lib/read_valid.lua" %]]
local found = redis.call(
  "ZRANGE", valid_order, "(" .. after, "+inf", "BYSCORE", "LIMIT", 0, count, "WITHSCORES"
)
local entries = {}
for i = 1, #found, 2 do
  local condition_id, valid_condition, fired = read_valid(found[i])
  entries[#entries + 1] = { found[i], found[i + 1], condition_id, valid_condition, fired }
end
return { "PAGE", entries }
