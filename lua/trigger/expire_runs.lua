#!lua flags=allow-oom
--- Remove the oldest runs of triggers, at most `count` of them.
--- They are those before a time, and those beyond the newest `keep` (0 for any number). Replies with
--- how many there were.
-- @version 7
-- @key trigger_runs
-- @key trigger_run_index
-- @arg before_us us
-- @arg keep int
-- @arg count count
-- @returns OK removed
-- @cost O(count log N)
--[[% use "lib/pack.lua" %]]
--[[% use "lib/remove_run.lua" %]]
local prefix = pack("all")
local before = tonumber(before_us)
local excess = keep > 0 and redis.call("HLEN", trigger_runs) - keep or 0
local last = "(" .. prefix .. "\255"
local members =
  redis.call("ZRANGE", trigger_run_index, "[" .. prefix, last, "BYLEX", "LIMIT", 0, count)
local removed = 0
start_writing()
for _, member in ipairs(members) do
  local time = tonumber(string.sub(member, #prefix + 1, #prefix + 16))
  if time >= before and removed >= excess then
    break
  end
  remove_run(string.sub(member, #prefix + 17))
  removed = removed + 1
end
return { "OK", removed }
