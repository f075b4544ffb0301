#!lua
--- Verify a page of `trigger_run_index`.
--- Each member is that of a run.
-- @version 6
-- @key trigger_runs
-- @key trigger_run_index
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/readable_field.lua" %]]
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/expect_equal.lua" %]]
--[[% use "lib/readable_run.lua" %]]
-- Behind one field (all) or two come 16 digits of time and the run.
local function behind(member)
  local relation, position = readable_field(member, 1)
  if position and relation ~= "all" then
    local _, after = readable_field(member, position)
    position = after
  end
  return position
end

local function is_of(member, run_id, time, prefixes)
  for _, prefix in ipairs(prefixes) do
    if prefix .. time .. run_id == member then
      return true
    end
  end
  return false
end

local function check(member, score)
  local relation = readable_field(member, 1) or ""
  local position = behind(member)
  local run_id = position and string.sub(member, position + 16) or ""
  local packed = redis.call("HGET", trigger_runs, run_id)
  local time, prefixes = readable_run(packed)
  if not packed then
    remove_stray(trigger_run_index, member, run_id, "there is no such run: " .. relation)
  elseif time and not is_of(member, run_id, time, prefixes) then
    remove_stray(trigger_run_index, member, run_id, "the run does not imply it: " .. relation)
  else
    expect_equal(trigger_run_index, member, score, 0, run_id)
  end
end
local next_cursor, looked_at = look_at("ZSCAN", trigger_run_index, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
