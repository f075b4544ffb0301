#!lua
--- Verify a page of `client_data`.
--- Each value is whole, and what is not is left to retention.
-- @version 7
-- @key client_data
-- @key client_data_uses
-- @key client_data_idle
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N), and the chunks of large values
--[[% use "lib/readable_field.lua" %]]
--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_integer.lua" %]]
--[[% use "lib/pack.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
local now = decimal(now_us())

local function missing_chunk(reference, value)
  local encoding, position = readable_field(value, 1)
  local number = encoding and readable_field(value, position)
  if not is_integer(number) then
    return 0
  end
  for chunk = 1, tonumber(number) - 1 do
    local part = pack(reference, encoding .. chunk)
    if redis.call("HEXISTS", client_data, part) == 0 then
      return chunk
    end
  end
end

local function is_used(reference)
  local prefix = pack(reference)
  local last = "(" .. prefix .. "\255"
  return redis.call("ZLEXCOUNT", client_data_uses, "[" .. prefix, last) > 0
end

-- A later chunk goes with its value; without one, it is of an upload that retention ends.
local function check_chunk(reference)
  if redis.call("HEXISTS", client_data, reference) == 0 and not is_used(reference) then
    local text = "there is a chunk of a value that is not there"
    expect_member(client_data_idle, reference, now, reference, text)
  end
end

local function check(field, value)
  local part = readable_list(field, 2)
  if part and part[1] and part[2] and string.find(part[2], "^[pz]%d+$") then
    check_chunk(part[1])
    return
  end
  local chunk = missing_chunk(field, value)
  if chunk then
    -- Whoever stores the same content again must not be told that it is there.
    local text = chunk == 0 and "it is no value" or "its chunk " .. chunk .. " is not there"
    local idle = { "ZADD", client_data_idle, now, field }
    report("incomplete", client_data, field, text, { "HDEL", client_data, field }, idle)
  end
end
local next_cursor, looked_at = look_at("HSCAN", client_data, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
