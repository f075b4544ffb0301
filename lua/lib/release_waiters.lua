--[[% use "lib/note_blocking.lua" %]]
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- Remove the edges of an invocation that is final: whoever waited for it alone may go on, and it
-- waits for nobody any more. At most so many of each direction go in one step, whatever their
-- number; replies with how many went.
local edges_of_a_step = 250

local function release_waiters(invocation_id)
  if blocking_size > 0 then
    redis.call("ZREM", blocking, invocation_id)
  end
  local released = 0
  if waits_size == 0 then
    return released
  end
  for _, direction in ipairs({ "by", "for" }) do
    local opposite = direction == "by" and "for" or "by"
    local members, prefix = edges(direction, invocation_id, edges_of_a_step)
    for _, member in ipairs(members) do
      local other = (unpack_field(member, #prefix + 1))
      redis.call("ZREM", waits, member, pack(opposite, other, invocation_id))
      if direction == "by" then
        note_blocking(other, read_status(other))
      elseif not edges("by", other, 1)[1] then
        redis.call("ZREM", blocking, other)
      end
    end
    released = released + #members
  end
  return released
end
