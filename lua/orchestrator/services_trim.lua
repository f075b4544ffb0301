#!lua flags=allow-oom
--- Remove old executions of atomic services.
--- Those that are running, that started a run of a trigger which is still recorded, or that are named
--- in the items stay. What ended before `age_us` ago goes (0 for never), and the oldest beyond `keep`
--- (0 for any number). `count` are looked at, behind the oldest `offset`; replies with how many went and
--- how many stayed.
-- @version 8
-- @key services
-- @key service_times
-- @key trigger_run_index
-- @arg age_us int
-- @arg keep int
-- @arg offset int
-- @arg count count
-- @item protected_id id
-- @returns OK removed stayed
-- @cost O(log N) for each that is looked at
--[[% use "lib/time.lua" %]]
--[[% use "lib/read_service.lua" %]]
--[[% use "lib/pack.lua" %]]
local protected = {}
for i = 1, item_count do
  protected[(item(i))] = true
end

local function is_protected(id)
  local prefix = pack("service", id)
  local last = "(" .. prefix .. "\255"
  return protected[id]
    or redis.call("ZLEXCOUNT", trigger_run_index, "[" .. prefix, last) > 0
end

local before = now_us() - age_us
local excess = keep > 0 and redis.call("HLEN", services) - keep or 0
local removed, stayed = 0, 0
start_writing()
for _, id in ipairs(redis.call("ZRANGE", service_times, offset, offset + count - 1)) do
  local fields = read_service(id)
  local is_old = age_us > 0 and fields and fields[3] and tonumber(fields[3]) < before
  local goes = fields and fields[3] and (is_old or removed < excess) and not is_protected(id)
  if goes then
    redis.call("HDEL", services, id)
    redis.call("ZREM", service_times, id)
    removed = removed + 1
  else
    stayed = stayed + 1
  end
end
return { "OK", removed, stayed }
