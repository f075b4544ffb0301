--[[% use "lib/note_blocking.lua" %]]
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- Remove all edges of an invocation that is final: whoever waited for it alone may go on, and it
-- waits for nobody any more.
local function release_waiters(invocation_id)
  redis.call("ZREM", blocking, invocation_id)
  for _, direction in ipairs({ "by", "for" }) do
    local opposite = direction == "by" and "for" or "by"
    local members, prefix = edges(direction, invocation_id, 1000)
    while members[1] do
      for _, member in ipairs(members) do
        local other = (unpack_field(member, #prefix + 1))
        redis.call("ZREM", waits, member, pack(opposite) .. pack(other) .. pack(invocation_id))
        if direction == "by" then
          note_blocking(other, read_status(other))
        else
          local awaited = edges("by", other, 1)
          if not awaited[1] then
            redis.call("ZREM", blocking, other)
          end
        end
      end
      members, prefix = edges(direction, invocation_id, 1000)
    end
  end
end
