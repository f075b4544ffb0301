--[[% use "lib/indexed.lua" %]]
--[[% use "lib/release_client_data.lua" %]]
-- Remove the triggers of a task.
local function forget_triggers(task)
  local prefix = pack("triggers") .. pack(task)
  for _, trigger_id in ipairs(indexed(prefix)) do
    local packed = redis.call("HGET", triggers, trigger_id)
    local fields, position = {}, 1
    for i = 1, 4 do
      fields[i], position = unpack_field(packed, position)
    end
    local at = 1
    while at <= #fields[4] do
      local condition_id
      condition_id, at = unpack_field(fields[4], at)
      redis.call("ZREM", condition_index, pack("by") .. pack(condition_id) .. pack(trigger_id))
    end
    redis.call("ZREM", condition_index, prefix .. pack(trigger_id))
    release_client_data("trigger " .. trigger_id, packed)
    redis.call("HDEL", triggers, trigger_id)
  end
end
