#!lua flags=no-writes
--- Read one page of the invocations of a task that have some arguments.
--- The members of the index behind `after` that begin with `prefix` are looked at; `others` are the
--- beginnings (packed list) of further members that a match must have, and the items the statuses
--- that it may have (any, if there are none).
-- @version 4
-- @key statuses
-- @key concurrency
-- @arg prefix bytes
-- @arg others bytes
-- @arg after bytes
-- @arg count count
-- @item status id
-- @returns PAGE invocation_ids last
-- @cost O(log N + count)
--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
local wanted = {}
for i = 1, item_count do
  wanted[(item(i))] = true
end

local function matches(invocation_id)
  local position = 1
  while position <= #others do
    local beginning
    beginning, position = unpack_field(others, position)
    if not redis.call("ZSCORE", concurrency, beginning .. pack(invocation_id)) then
      return false
    end
  end
  local packed = redis.call("HGET", statuses, invocation_id)
  return packed and (item_count == 0 or wanted[(unpack_field(packed, 1))])
end

local first = after == "" and "[" .. prefix or "(" .. after
local last = "(" .. prefix .. "\255"
local members = redis.call("ZRANGE", concurrency, first, last, "BYLEX", "LIMIT", 0, count)
local ids = {}
for _, member in ipairs(members) do
  local invocation_id = unpack_field(member, #prefix + 1)
  if matches(invocation_id) then
    ids[#ids + 1] = invocation_id
  end
end
return { "PAGE", ids, #members == count and members[count] or "" }
