#!lua
--- Verify a page of `queue`.
--- Each member is a place in `queued`, and its number was given out.
-- @version 6
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
local highest, holder = 0, ""

-- Several may lack a place in one page: what is there is read when it is mended.
local function add_place(invocation_id, member)
  local places = redis.call("HGET", queued, invocation_id) or ""
  redis.call("HSET", queued, invocation_id, places .. pack(member))
end

local function is_listed(invocation_id, member)
  local members = readable_list(redis.call("HGET", queued, invocation_id) or "")
  for _, known in ipairs(members or {}) do
    if known == member then
      return true
    end
  end
  return members == nil
end

local function check(member, score)
  local invocation_id, number = place_of(member)
  if not invocation_id then
    report("unreadable", queue, member, "it is no place", { "ZREM", queue, member })
    return
  end
  expect_equal(queue, member, score, 0, invocation_id)
  if not is_listed(invocation_id, member) then
    report("missing", queued, invocation_id, "it is in `queue`", function()
      add_place(invocation_id, member)
    end)
  end
  if number > highest then
    highest, holder = number, invocation_id
  end
end

-- Where it is no number, every submission fails.
local function check_sequence()
  local last = redis.call("GET", queue_sequence)
  local mended = { "SET", queue_sequence, decimal(highest) }
  if last and not is_integer(last) then
    report("unreadable", queue_sequence, last, "it is no number", mended)
  elseif highest > tonumber(last or 0) then
    local text = "it is " .. (last or 0) .. ", and " .. decimal(highest) .. " is in use"
    report("wrong", queue_sequence, holder, text, mended)
  end
end

local next_cursor, looked_at = look_at("ZSCAN", queue, cursor, count, check)
check_sequence()
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
