#!lua flags=allow-oom
--- Remove the oldest events, at most `count` of them.
--- They are those before a time, and those beyond the newest `keep` (0 for any number). Replies with
--- their ids. Runs of triggers that they had a part in go with them, a few for each.
-- @version 9
-- @key events
-- @key event_index
-- @key event_links
-- @key client_data_uses
-- @key client_data_idle
-- @key trigger_runs
-- @key trigger_run_index
-- @arg before_us us
-- @arg keep int
-- @arg count count
-- @returns OK removed
-- @cost O(count log N)
--[[% use "lib/read_event.lua" %]]
--[[% use "lib/unindex_event.lua" %]]
--[[% use "lib/oldest.lua" %]]
--[[% use "lib/release_client_data.lua" %]]
--[[% use "lib/runs_of.lua" %]]
--[[% use "lib/remove_run.lua" %]]
local runs_of_an_event = 5
local prefixes = {}
for _, matched in ipairs({ "0", "1" }) do
  for _, triggered in ipairs({ "0", "1" }) do
    prefixes[#prefixes + 1] = pack("all", matched, triggered)
  end
end
local before = tonumber(before_us)
local excess = keep > 0 and redis.call("HLEN", events) - keep or 0
local removed = {}
start_writing()
for _, event_id in ipairs(oldest(event_index, prefixes, 0, 2 ^ 52, 0, count)) do
  local fields = read_event(event_id)
  if tonumber(fields[2]) >= before and #removed >= excess then
    break
  end
  unindex_event(event_id, fields)
  redis.call("HDEL", events, event_id)
  redis.call("HDEL", event_links, event_id)
  release_client_data("event " .. event_id, fields[8])
  for _, run_id in ipairs(runs_of(event_id, runs_of_an_event)) do
    remove_run(run_id)
  end
  removed[#removed + 1] = event_id
end
return { "OK", removed }
