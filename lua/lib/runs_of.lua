--[[% use "lib/pack.lua" %]]
-- Up to `count` runs of triggers that an event had a part in, the oldest first.
local function runs_of(event_id, count)
  local prefix = pack("event", event_id)
  local last = "(" .. prefix .. "\255"
  local members =
    redis.call("ZRANGE", trigger_run_index, "[" .. prefix, last, "BYLEX", "LIMIT", 0, count)
  local ids = {}
  for i, member in ipairs(members) do
    ids[i] = string.sub(member, #prefix + 17)
  end
  return ids
end
