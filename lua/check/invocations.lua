#!lua
--- Verify a page of `invocations`.
--- Each has its members of `index`, and a status.
-- @version 12
-- @key statuses
-- @key invocations
-- @key index
-- @key history
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/readable_field.lua" %]]
--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/readable_invocation.lua" %]]
--[[% use "lib/readable_history.lua" %]]
--[[% use "lib/index_members.lua" %]]
-- Where each step is one commit, the history begins in the commit that registers: without a time of
-- its own for the status. Elsewhere an invocation is stored before it is registered, if ever here.
local function was_submitted(invocation_id)
  local first = readable_field(redis.call("HGET", history, invocation_id) or "", 1)
  local fields = readable_history(first)
  return fields and fields[2] == "registered" and not fields[4]
end

local function check(invocation_id, record)
  -- Without its records, what else there is of an invocation belongs to nothing.
  local forget = {}
  for i, records in ipairs({ statuses, invocations, history }) do
    forget[i] = { "HDEL", records, invocation_id }
  end
  if not readable_invocation(record) then
    report("unreadable", invocations, invocation_id, "it is no invocation", unpack(forget))
    return
  end
  if redis.call("HEXISTS", statuses, invocation_id) == 0 and was_submitted(invocation_id) then
    report("stray", invocations, invocation_id, "it has no status", unpack(forget))
    return
  end
  for _, member in ipairs(index_members(invocation_id, record)) do
    expect_member(index, member, 0, invocation_id, "it is stored")
  end
end
local next_cursor, looked_at = look_at("HSCAN", invocations, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
