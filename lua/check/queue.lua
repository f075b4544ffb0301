#!lua
--- Verify a page of `queue`.
--- Each member is a place in `queued`, and its number was given out.
-- @version 1
-- @key queue
-- @key queued
-- @key queue_sequence
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_equal.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_integer.lua" %]]
--[[% use "lib/place_of.lua" %]]
--[[% use "lib/pack.lua" %]]
--[[% use "lib/decimal.lua" %]]
local last = redis.call("GET", queue_sequence)
local highest = is_integer(last) and tonumber(last) or 0
if last and not is_integer(last) then
  report("unreadable", queue_sequence, "", "it is no number", { "SET", queue_sequence, "0" })
end

-- Several may lack a place in one page: what is there is read when it is mended.
local function add_place(invocation_id, member)
  local places = redis.call("HGET", queued, invocation_id) or ""
  redis.call("HSET", queued, invocation_id, places .. pack(member))
end

local function check(member, score)
  local invocation_id, number = place_of(member)
  if not invocation_id then
    report("unreadable", queue, member, "it is no place", { "ZREM", queue, member })
    return
  end
  expect_equal(queue, member, score, 0, invocation_id)
  local is_listed = false
  local places = redis.call("HGET", queued, invocation_id) or ""
  local members = readable_list(places)
  for _, known in ipairs(members or {}) do
    is_listed = is_listed or known == member
  end
  if members and not is_listed then
    report("missing", queued, invocation_id, "it is in `queue`", function()
      add_place(invocation_id, member)
    end)
  end
  if number > highest then
    highest = number
    local text = "it is below " .. decimal(number) .. ", which is in use"
    report("wrong", queue_sequence, invocation_id, text, { "SET", queue_sequence, decimal(number) })
  end
end
local next_cursor, looked_at = look_at("ZSCAN", queue, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
