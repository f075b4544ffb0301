--[[% use "lib/unpack.lua" %]]
-- Remove a run of a trigger with its index; tells whether there was one.
local function remove_run(run_id)
  local packed = redis.call("HGET", trigger_runs, run_id)
  if not packed then
    return false
  end
  local time, position = unpack_field(packed, 1)
  local prefixes, at = unpack_field(packed, position), 1
  while at <= #prefixes do
    local prefix
    prefix, at = unpack_field(prefixes, at)
    redis.call("ZREM", trigger_run_index, prefix .. time .. run_id)
  end
  redis.call("HDEL", trigger_runs, run_id)
  return true
end
