--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- Append a history record (bytes) of time `at_us` to an invocation. A record that is there
-- already came from a call whose reply was lost: it is not added again.
local function add_history(invocation_id, record, at_us)
  local records = redis.call("HGET", history, invocation_id) or ""
  local position, count = 1, 0
  while position <= #records do
    local known
    known, position = unpack_field(records, position)
    if known == record then
      return
    end
    count = count + 1
  end
  redis.call("HSET", history, invocation_id, records .. pack(record))
  local member = pack(tostring(count + 1)) .. pack(invocation_id)
  redis.call("ZADD", history_times, at_us, member)
end
