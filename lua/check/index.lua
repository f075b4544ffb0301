#!lua
--- Verify a page of `index`: each relation is that of a record.
-- @version 12
-- @key statuses
-- @key invocations
-- @key index
-- @key workflow_data
-- @key workflow_values
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/expect_equal.lua" %]]
--[[% use "lib/readable_status.lua" %]]
--[[% use "lib/readable_invocation.lua" %]]
--[[% use "lib/index_members.lua" %]]
local sizes = { call = 3, parent = 3, event = 3, workflow = 4, type = 3, run = 5, sub = 3 }
local kept_in = { data = workflow_data, value = workflow_values }

-- What was registered for an app whose state is kept elsewhere has nothing but its call here; of one
-- that was submitted and has lost its record, that is the problem.
local function is_implied_by_status(fields)
  local packed = redis.call("HGET", statuses, fields[#fields])
  local record = readable_status(packed)
  if not packed or not record then
    return packed
  end
  return record.call == "" or fields[1] == "call" and call_name(record.call) == fields[2]
end

local function is_implied(member, fields)
  local invocation_id = fields[#fields]
  local record = redis.call("HGET", invocations, invocation_id)
  if not record or not readable_invocation(record) then
    return record or is_implied_by_status(fields)
  end
  for _, known in ipairs(index_members(invocation_id, record)) do
    if known == member then
      return true
    end
  end
  return false
end

local function check(member, score)
  local fields = readable_list(member) or {}
  local relation, last = fields[1] or "", fields[#fields] or ""
  if kept_in[relation] and #fields == 3 then
    local name = string.sub(member, #pack(relation) + 1)
    if redis.call("HEXISTS", kept_in[relation], name) == 0 then
      remove_stray(index, member, fields[2] or "", "its workflow has no such " .. relation)
      return
    end
    last = fields[2]
  elseif sizes[relation] ~= #fields then
    remove_stray(index, member, last, "it is no relation")
    return
  elseif relation ~= "run" and relation ~= "sub" then
    if not is_implied(member, fields) then
      remove_stray(index, member, last, "no invocation implies it: " .. relation)
      return
    end
  end
  expect_equal(index, member, score, 0, last)
end
local next_cursor, looked_at = look_at("ZSCAN", index, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
