--[[% use "lib/unpack_list.lua" %]]
-- Remove a run of a trigger with its index.
local function remove_run(run_id)
  local packed = redis.call("HGET", trigger_runs, run_id)
  if not packed then
    return
  end
  local time, prefixes = unpack(unpack_list(packed))
  for _, prefix in ipairs(unpack_list(prefixes)) do
    redis.call("ZREM", trigger_run_index, prefix .. time .. run_id)
  end
  redis.call("HDEL", trigger_runs, run_id)
end
