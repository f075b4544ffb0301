#!lua
--- Note that an invocation waits for others; those that are final never block it.
-- @version 9
-- @key statuses
-- @key waits
-- @key blocking
-- @arg waiting_id id
-- @item awaited_id id
-- @returns OK
-- @cost O(n log N) for n items
--[[% use "lib/note_blocking.lua" %]]
--[[% use "lib/read_status.lua" %]]
start_writing()
for i = 1, item_count do
  local awaited_id = item(i)
  local record = read_status(awaited_id)
  if record and not is(record.status, "final") then
    local away = pack("for", waiting_id, awaited_id)
    local back = pack("by", awaited_id, waiting_id)
    redis.call("ZADD", waits, 0, away, 0, back)
    redis.call("ZREM", blocking, waiting_id)
    note_blocking(awaited_id, record)
  end
end
return { "OK" }
