#!lua
--- Verify a page of `condition_index`.
--- Each member is of a condition or a trigger that is stored.
-- @version 6
-- @key conditions
-- @key triggers
-- @key condition_index
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/expect_equal.lua" %]]
--[[% use "lib/trigger_members.lua" %]]
local function is_relation(fields)
  local kind, size = fields[1], #fields
  for i = 1, size do
    if not fields[i] then
      return false
    end
  end
  if kind == "kind" then
    return size == (fields[2] == "event" and 4 or 3)
  end
  return size == (kind == "watch" and 4 or 3)
    and (kind == "task" or kind == "watch" or kind == "by" or kind == "triggers")
end

local function is_of_trigger(member, trigger_id)
  local packed = redis.call("HGET", triggers, trigger_id)
  local fields = readable_trigger(packed)
  if packed and not fields then
    return true
  end
  for _, known in ipairs(fields and trigger_members(trigger_id, fields) or {}) do
    if known == member then
      return true
    end
  end
  return false
end

local function check(member, score)
  local fields = readable_list(member) or {}
  local id = fields[#fields] or ""
  if not is_relation(fields) then
    remove_stray(condition_index, member, id, "it is no relation")
  elseif fields[1] == "by" or fields[1] == "triggers" then
    if is_of_trigger(member, id) then
      expect_equal(condition_index, member, score, 0, id)
    else
      remove_stray(condition_index, member, id, "no trigger implies it: " .. fields[1])
    end
  elseif redis.call("HEXISTS", conditions, id) == 0 then
    remove_stray(condition_index, member, id, "there is no such condition: " .. fields[1])
  else
    expect_equal(condition_index, member, score, 0, id)
  end
end
local next_cursor, looked_at = look_at("ZSCAN", condition_index, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
