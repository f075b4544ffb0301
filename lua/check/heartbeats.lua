#!lua
--- Verify a page of `heartbeats`.
--- Each is of a runner that is known.
-- @version 5
-- @key runners
-- @key heartbeats
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/findings.lua" %]]
--[[% use "lib/pack.lua" %]]
--[[% use "lib/decimal.lua" %]]
local function check(runner_id, heard)
  if redis.call("HEXISTS", runners, runner_id) == 0 then
    -- What its next heartbeat says of it comes in place of this.
    local said = pack(decimal(tonumber(heard)), "0", "")
    report("missing", runners, runner_id, "there is a heartbeat", { "HSET", runners, runner_id, said })
  end
end
local next_cursor, looked_at = look_at("ZSCAN", heartbeats, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
