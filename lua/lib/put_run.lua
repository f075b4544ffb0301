--[[% use "lib/pack.lua" %]]
--[[% use "lib/remove_run.lua" %]]
--[[% use "lib/read_event.lua" %]]
-- The beginnings of a run in the index by the codes of its events (packed).
local function code_prefixes(event_ids)
  local prefixes = ""
  for _, event_id in ipairs(unpack_list(event_ids)) do
    local event = read_event(event_id)
    if event then
      prefixes = prefixes .. pack(pack("code") .. pack(event[1]))
    end
  end
  return prefixes
end

-- Store a run in place of an older record of it. `prefixes` (packed) are its other beginnings.
local function put_run(run_id, at_us, prefixes, event_ids, run)
  remove_run(run_id)
  prefixes = prefixes .. code_prefixes(event_ids)
  local time = string.format("%016.0f", at_us)
  redis.call("HSET", trigger_runs, run_id, pack(time) .. pack(prefixes) .. pack(run))
  for _, prefix in ipairs(unpack_list(prefixes)) do
    redis.call("ZADD", trigger_run_index, 0, prefix .. time .. run_id)
  end
end
