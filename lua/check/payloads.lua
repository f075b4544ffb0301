#!lua
--- Verify a page of `arguments`, `results` or `exceptions`.
--- Each is of an invocation that is known.
-- @version 4
-- @key statuses
-- @key invocations
-- @key arguments
-- @key results
-- @key exceptions
-- @arg collection id
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/findings.lua" %]]
--[[% use "lib/is_known.lua" %]]
local held = ({ arguments = arguments, results = results, exceptions = exceptions })[collection]

local function check(invocation_id)
  if not is_known(invocation_id) then
    report("stray", held, invocation_id, "no such invocation", { "HDEL", held, invocation_id })
  end
end
local next_cursor, looked_at = look_at("HSCAN", held, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
