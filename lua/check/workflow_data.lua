#!lua
--- Verify a page of `workflow_data` or `workflow_values`.
--- Each entry is found by its workflow.
-- @version 6
-- @key workflow_data
-- @key workflow_values
-- @key index
-- @arg collection id
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/pack.lua" %]]
local held = collection == "workflow_data" and workflow_data or workflow_values
local relation = collection == "workflow_data" and "data" or "value"

local function check(field)
  local fields = readable_list(field, 2)
  if not fields then
    report("unreadable", held, field, "it names no workflow and key", { "HDEL", held, field })
    return
  end
  expect_member(index, pack(relation) .. field, 0, fields[1] or "", "it has such a " .. relation)
end
local next_cursor, looked_at = look_at("HSCAN", held, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
