--[[% use "lib/pack.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
-- Note a change of status that some condition of a trigger watches, in the commit that makes it: a
-- crash right after it must not lose the trigger. `noted` is what this call noted, for its caller to
-- evaluate; what nobody evaluates is found by the trigger loop.
local noted, watched = {}, {}

local function is_watched(record)
  local prefix = pack("watch") .. pack(record.task) .. pack(record.status)
  if watched[prefix] == nil then
    local last = "(" .. prefix .. "\255"
    local found = redis.call("ZRANGE", condition_index, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 1)
    watched[prefix] = found[1] ~= nil
  end
  return watched[prefix]
end

local function note_change(invocation_id, record)
  if is_watched(record) then
    local change = pack(invocation_id) .. pack(record.task) .. pack(record.status)
    change = change .. pack(record.at_us)
    redis.call("ZADD", changes, decimal(now_us()), change)
    noted[#noted + 1] = change
  end
end
