#!lua flags=allow-oom
--- Remove the runs of triggers that some events had a part in.
--- At most `count` go. Replies with how many went.
-- @version 7
-- @key trigger_runs
-- @key trigger_run_index
-- @arg count count
-- @item event_id id
-- @returns OK removed
-- @cost O((n + count) log N) for n items
--[[% use "lib/runs_of.lua" %]]
--[[% use "lib/remove_run.lua" %]]
local removed = 0
start_writing()
for i = 1, item_count do
  if removed < count then
    for _, run_id in ipairs(runs_of((item(i)), count - removed)) do
      remove_run(run_id)
      removed = removed + 1
    end
  end
end
return { "OK", removed }
