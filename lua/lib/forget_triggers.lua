--[[% use "lib/indexed.lua" %]]
--[[% use "lib/unpack_list.lua" %]]
--[[% use "lib/release_client_data.lua" %]]
-- Remove a trigger, if there is one, from wherever it is found.
local function forget_trigger(trigger_id)
  local packed = redis.call("HGET", triggers, trigger_id)
  if not packed then
    return
  end
  local fields = unpack_list(packed)
  for _, condition_id in ipairs(unpack_list(fields[4])) do
    redis.call("ZREM", condition_index, pack("by", condition_id, trigger_id))
  end
  redis.call("ZREM", condition_index, pack("triggers", fields[1], trigger_id))
  release_client_data("trigger " .. trigger_id, packed)
  redis.call("HDEL", triggers, trigger_id)
end

-- Remove the triggers of a task.
local function forget_triggers(task)
  for _, trigger_id in ipairs(indexed(pack("triggers", task))) do
    forget_trigger(trigger_id)
  end
end
