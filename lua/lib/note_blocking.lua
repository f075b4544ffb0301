--[[% use "lib/waits.lua" %]]
--[[% use "lib/status_machine.lua" %]]
-- Put an invocation among those that are claimed first, if others wait for it, it waits for none
-- and it is free to run.
local function note_blocking(invocation_id, record)
  if record and is(record.status, "available") then
    local awaited = edges("by", invocation_id, 1)
    local waiting = edges("for", invocation_id, 1)
    if awaited[1] and not waiting[1] then
      redis.call("ZADD", blocking, record.registered_us, invocation_id)
      -- Whoever is claimed or ends later in this script has to look for itself there.
      blocking_size = blocking_size + 1
    end
  end
end
