#!lua
--- Remove the runs of triggers that some events had a part in.
--- At most `count` go for each event. Replies with how many went.
-- @version 1
-- @key trigger_runs
-- @key trigger_run_index
-- @arg count count
-- @item event_id id
-- @returns OK removed
-- @cost O(n count log N) for n items
--[[% use "lib/pack.lua" %]]
--[[% use "lib/remove_run.lua" %]]
local removed = 0
start_writing()
for i = 1, item_count do
  local prefix = pack("event") .. pack((item(i)))
  local last = "(" .. prefix .. "\255"
  local members =
    redis.call("ZRANGE", trigger_run_index, "[" .. prefix, last, "BYLEX", "LIMIT", 0, count)
  for _, member in ipairs(members) do
    if remove_run(string.sub(member, #prefix + 17)) then
      removed = removed + 1
    end
  end
end
return { "OK", removed }
