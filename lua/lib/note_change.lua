--[[% use "lib/pack.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/put.lua" %]]
--[[% use "lib/is_watched.lua" %]]
-- Note a change of status that some trigger watches, in the commit that makes it: a crash right after
-- it must not lose the trigger. `noted` is what this call noted, for its caller to evaluate; what
-- nobody evaluates is found by the trigger loop.
local noted = {}
local function note_change(invocation_id, record)
  if is_watched(record.task, record.status) then
    local change = pack(invocation_id, record.task, record.status, record.at_us)
    put("ZADD", changes, decimal(now_us()), change)
    noted[#noted + 1] = change
  end
end
