--[[% use "lib/append_history.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- Append a history record unless it is there already: then it came from a call whose reply was lost.
local function add_history(invocation_id, record, at_us)
  local records = redis.call("HGET", history, invocation_id) or ""
  local position = 1
  while position <= #records do
    local known
    known, position = unpack_field(records, position)
    if known == record then
      return
    end
  end
  append_history(invocation_id, records, record, at_us)
end
