--[[% use "lib/is_due.lua" %]]
--[[% use "lib/settle.lua" %]]
--[[% use "lib/put_run.lua" %]]
--[[% use "lib/link_event.lua" %]]
-- Whether a trigger has yet to fire for each of the items (entry, version, clears) of a script.
local function all_due(count, item_at, trigger_id)
  for i = 1, count do
    local entry_id, version = item_at(i)
    if not is_due(entry_id, version, trigger_id) then
      return false
    end
  end
  return true
end

local function settle_all(count, item_at, trigger_id)
  for i = 1, count do
    local entry_id, _, clears = item_at(i)
    settle(entry_id, trigger_id, clears)
  end
end

-- Record that a run started an invocation, and link its events to that.
local function record_run(run, invocation_id)
  put_run(run.id, run.at_us, run.prefixes, run.event_ids, run.json)
  for _, event_id in ipairs(run.event_ids) do
    link_event(event_id, invocation_id)
  end
end
