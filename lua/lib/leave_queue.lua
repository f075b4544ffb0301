--[[% use "lib/unpack_list.lua" %]]
-- Take an invocation out of the `places` (packed) of a queue where it stands; `gone` is one that it has
-- left already.
local function leave_queue(places, gone)
  for _, member in ipairs(unpack_list(places)) do
    if member ~= gone then
      redis.call("ZREM", queue, member)
    end
  end
end
