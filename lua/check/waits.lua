#!lua
--- Verify a page of `waits`.
--- Each edge is there both ways, and whoever is waited for is not final.
--- One that has been final for less than `grace_us` may still be releasing those who wait for it.
-- @version 9
-- @key statuses
-- @key waits
-- @key blocking
-- @arg grace_us int
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/remove_stray.lua" %]]
--[[% use "lib/expect_score.lua" %]]
--[[% use "lib/readable_status.lua" %]]
--[[% use "lib/status_machine.lua" %]]
--[[% use "lib/waits.lua" %]]
--[[% use "lib/time.lua" %]]
local opposites = { ["for"] = "by", by = "for" }
local now = now_us()

-- Why nobody can wait for an invocation.
local function is_over(awaited)
  local packed = redis.call("HGET", statuses, awaited)
  local record = readable_status(packed)
  if not packed then
    return "who is waited for is not known"
  elseif record and is(record.status, "final") and tonumber(record.at_us) < now - grace_us then
    return "who is waited for is " .. record.status
  end
end

-- Who is waited for, waits for none and is free to run is claimed first.
local function check_blocking(awaited)
  local record = readable_status(redis.call("HGET", statuses, awaited))
  if record and is(record.status, "available") and not edges("for", awaited, 1)[1] then
    expect_score(blocking, awaited, record.registered_us, awaited, "it is waited for")
  end
end

local function check(member, score)
  local fields = readable_list(member) or {}
  local direction, one, other = fields[1], fields[2], fields[3]
  local opposite = opposites[direction]
  if #fields ~= 3 or not opposite or not one or not other then
    report("unreadable", waits, member, "it is no edge", { "ZREM", waits, member })
    return
  end
  local awaited = direction == "by" and one or other
  local over = is_over(awaited)
  if over then
    remove_stray(waits, member, one, over)
    return
  end
  expect_equal(waits, member, score, 0, one)
  local mirrored = pack(opposite, other, one)
  expect_member(waits, mirrored, 0, other, "the other side is there")
  check_blocking(awaited)
end
local next_cursor, looked_at = look_at("ZSCAN", waits, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
