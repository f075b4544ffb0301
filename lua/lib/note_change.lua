--[[% use "lib/pack.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- Note a change of status that some trigger watches, in the commit that makes it: a crash right after
-- it must not lose the trigger. `noted` is what this call noted, for its caller to evaluate; what
-- nobody evaluates is found by the trigger loop.
local noted, watched = {}, {}

local function ranges(prefix, count)
  local last = "(" .. prefix .. "\255"
  return redis.call("ZRANGE", condition_index, "[" .. prefix, last, "BYLEX", "LIMIT", 0, count)
end

-- A condition stays when its triggers go: one that no trigger waits for watches nothing.
local function is_watched(task, status)
  -- A damaged record may have no task: it must not end a script that writes already.
  local change = status .. " " .. (task or "")
  if watched[change] == nil then
    watched[change] = false
    local prefix = pack("watch", task, status)
    for _, member in ipairs(ranges(prefix, -1)) do
      local condition_id = unpack_field(member, #prefix + 1)
      if ranges(pack("by", condition_id), 1)[1] then
        watched[change] = true
        break
      end
    end
  end
  return watched[change]
end

local function note_change(invocation_id, record)
  if is_watched(record.task, record.status) then
    local change = pack(invocation_id, record.task, record.status)
    change = change .. pack(record.at_us)
    redis.call("ZADD", changes, decimal(now_us()), change)
    noted[#noted + 1] = change
  end
end
