--[[% use "lib/pack.lua" %]]
--[[% use "lib/remove_run.lua" %]]
--[[% use "lib/read_event.lua" %]]
-- Store a run in place of an older record of it. `prefixes` are its beginnings in the index, to which
-- come those by the codes of its events.
local function put_run(run_id, at_us, prefixes, event_ids, run)
  remove_run(run_id)
  local time, packed = string.format("%016.0f", at_us), {}
  local function index_under(prefix)
    packed[#packed + 1] = pack(prefix)
    redis.call("ZADD", trigger_run_index, 0, prefix .. time .. run_id)
  end
  for _, prefix in ipairs(prefixes) do
    index_under(prefix)
  end
  for _, event_id in ipairs(event_ids) do
    local event = read_event(event_id)
    if event then
      index_under(pack("code", event[1]))
    end
  end
  local stored = pack(time, table.concat(packed), run)
  redis.call("HSET", trigger_runs, run_id, stored)
end
