#!lua flags=allow-oom
--- Record the start of an atomic service; only one execution runs at a time.
--- Where another one runs, this one is recorded as blocked, with no length. A holder that has not
--- been heard of for `dead_us` is taken over: it is recorded as abandoned. With `overdue_us`, it starts
--- only if nobody has started one for that time, which this runner has been there for; if not, nothing
--- is recorded.
-- @version 8
-- @key services
-- @key service_times
-- @key service_holder
-- @key heartbeats
-- @key runners
-- @key heartbeats_since
-- @arg service_id id
-- @arg runner_id id
-- @arg start str
-- @arg status id
-- @arg reason str
-- @arg dead_us int
-- @arg overdue_us int
-- @returns STARTED start | BLOCKED start
-- @cost O(log N)
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
--[[% use "lib/read_service.lua" %]]
--[[% use "lib/write_service.lua" %]]
--[[% use "lib/is_dead.lua" %]]
local now = now_us()
local start_us = start == "" and decimal(now) or start
local known = read_service(service_id)
if known then
  return { known[4] == "blocked" and "BLOCKED" or "STARTED", known[2] }
end

local function is_gone(fields)
  local heard = redis.call("ZSCORE", heartbeats, fields[1])
  return is_dead(heard or fields[2], now, dead_us)
end

local function is_overdue()
  local before = now - overdue_us
  local said = redis.call("HGET", runners, runner_id)
  if not said or tonumber((unpack_field(said, 1))) > before then
    return false
  end
  for _, id in ipairs(redis.call("ZRANGE", service_times, 0, 99, "REV")) do
    local execution = read_service(id)
    if execution and execution[4] == "running" then
      return is_gone(execution)
    elseif execution and execution[4] ~= "blocked" then
      return tonumber(execution[2]) <= before
    end
  end
  return true
end

if overdue_us > 0 and not is_overdue() then
  return { "BLOCKED", start_us }
end
start_writing()
if status == "running" then
  local holder = redis.call("GET", service_holder)
  local held = holder and read_service(holder)
  if held and not is_gone(held) then
    local why = reason ~= "" and reason or "prior_running:" .. holder .. " runner:" .. held[1]
    write_service(service_id, { runner_id, start_us, start_us, "blocked", why })
    return { "BLOCKED", start_us }
  end
  if held then
    write_service(holder, { held[1], held[2], decimal(now), "abandoned", "dead_holder" })
  end
  redis.call("SET", service_holder, service_id)
end
local ended = status == "blocked" and start_us
write_service(service_id, { runner_id, start_us, ended, status, reason })
return { status == "blocked" and "BLOCKED" or "STARTED", start_us }
