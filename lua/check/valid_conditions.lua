#!lua
--- Verify a page of `valid_conditions`.
--- Each has a version.
-- @version 7
-- @key valid_conditions
-- @key valid_order
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
-- As lib/record_valid.lua gives them: each greater than the one before.
local newest = redis.call("ZRANGE", valid_order, 0, 0, "REV", "WITHSCORES")[2]
local version = math.max(now_us(), newest and tonumber(newest) + 1 or 0)

local function check(entry_id, packed)
  local fields = readable_list(packed, 3)
  if not fields or not (fields[1] and fields[2] and fields[3]) or not readable_list(fields[3]) then
    local forget = { "HDEL", valid_conditions, entry_id }
    local text = "it is no valid condition"
    report("unreadable", valid_conditions, entry_id, text, forget, { "ZREM", valid_order, entry_id })
    return
  end
  if not expect_member(valid_order, entry_id, decimal(version), entry_id, "it is recorded") then
    version = version + 1
  end
end
local next_cursor, looked_at = look_at("HSCAN", valid_conditions, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
