#!lua
--- Verify a page of `client_data_uses`.
--- Each user is there, and what it refers to.
-- @version 7
-- @key statuses
-- @key invocations
-- @key index
-- @key events
-- @key valid_conditions
-- @key conditions
-- @key triggers
-- @key client_data
-- @key client_data_uses
-- @key client_data_idle
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_equal.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_known.lua" %]]
--[[% use "lib/pack.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
local now = decimal(now_us())
local records =
  { event = events, valid = valid_conditions, condition = conditions, trigger = triggers }

local function has_data(workflow)
  for _, relation in ipairs({ "data", "value" }) do
    local prefix = pack(relation, workflow)
    local last = "(" .. prefix .. "\255"
    if redis.call("ZRANGE", index, "[" .. prefix, last, "BYLEX", "LIMIT", 0, 1)[1] then
      return true
    end
  end
  return false
end

local function is_there(user)
  if is_known(user) or has_data(user) then
    return true
  end
  local kind, id = string.match(user, "^(%l+) (.+)$")
  return records[kind] and redis.call("HEXISTS", records[kind], id) == 1
end

local function check(member, score)
  local fields = readable_list(member, 2) or {}
  local reference, user = fields[1], fields[2]
  if not reference or not user then
    report("unreadable", client_data_uses, member, "it is no use", { "ZREM", client_data_uses, member })
  elseif not is_there(user) then
    local forget = { "ZREM", client_data_uses, member }
    local idle = { "ZADD", client_data_idle, now, reference }
    report("stray", client_data_uses, user, "who used a value is not there", forget, idle)
  elseif redis.call("HEXISTS", client_data, reference) == 1 then
    expect_equal(client_data_uses, member, score, 0, user)
  -- Where all values are kept elsewhere, so is this one.
  elseif redis.call("EXISTS", client_data) == 1 then
    report("lost", client_data, reference, "a value that is in use is gone")
  end
end
local next_cursor, looked_at = look_at("ZSCAN", client_data_uses, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
