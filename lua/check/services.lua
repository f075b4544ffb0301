#!lua
--- Verify a page of `services`.
--- Each has its start, and the one that is running is the holder.
-- @version 7
-- @key services
-- @key service_times
-- @key service_holder
-- @arg cursor str
-- @arg count count
-- @arg repair int
-- @returns PAGE cursor problems looked_at | MENDED cursor left
-- @cost O(count log N)
--[[% use "lib/expect_score.lua" %]]
--[[% use "lib/readable_list.lua" %]]
--[[% use "lib/is_integer.lua" %]]
--[[% use "lib/pack.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
local now = decimal(now_us())

local function readable_service(packed)
  local fields = packed and readable_list(packed, 5)
  if not fields or not (fields[1] and fields[4] and fields[5]) or not is_integer(fields[2]) then
    return nil
  end
  return (not fields[3] or is_integer(fields[3])) and fields or nil
end

-- The holder may have lost its place to nobody: then it has it back. Where another one has it, this
-- one is over.
local function mend_running(id, fields)
  if redis.call("EXISTS", service_holder) == 0 then
    redis.call("SET", service_holder, id)
  elseif redis.call("GET", service_holder) ~= id then
    local packed = pack(fields[1], fields[2], now)
    redis.call("HSET", services, id, packed .. pack("abandoned", "no_holder"))
  end
end

local function check(id, packed)
  local fields = readable_service(packed)
  if not fields then
    report("unreadable", services, id, "it is no execution", { "HDEL", services, id })
    return
  end
  expect_score(service_times, id, fields[2], id, "the execution is recorded")
  if fields[4] == "running" and redis.call("GET", service_holder) ~= id then
    report("missing", service_holder, id, "it is running, and not the holder", function()
      mend_running(id, fields)
    end)
  end
end

local holder = cursor == "0" and redis.call("GET", service_holder)
local held = holder and redis.call("HGET", services, holder)
local execution = readable_service(held)
if holder and (not held or execution and execution[4] ~= "running") then
  report("stray", service_holder, holder, "it is not running", { "DEL", service_holder })
end
local next_cursor, looked_at = look_at("HSCAN", services, cursor, count, check)
if repair == 1 then
  start_writing()
  mend()
  return { "MENDED", next_cursor, left }
end
return { "PAGE", next_cursor, problems, looked_at }
