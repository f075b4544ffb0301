#!lua
--- Remove old executions of atomic services.
--- Those that are running or named in the items stay. What ended before `age_us` ago goes (0 for
--- never), and the oldest beyond `keep` (0 for any number). A thousand are looked at in one call.
-- @version 1
-- @key services
-- @key service_times
-- @arg age_us int
-- @arg keep int
-- @item protected_id id
-- @returns OK removed
-- @cost O(log N) for each that is looked at
--[[% use "lib/time.lua" %]]
--[[% use "lib/read_service.lua" %]]
local protected = {}
for i = 1, item_count do
  protected[(item(i))] = true
end
local before = now_us() - age_us
local excess = keep > 0 and redis.call("HLEN", services) - keep or 0
local removed = 0
start_writing()
for _, id in ipairs(redis.call("ZRANGE", service_times, 0, 999)) do
  local fields = read_service(id)
  local is_old = age_us > 0 and fields and fields[3] and tonumber(fields[3]) < before
  if fields and fields[3] and not protected[id] and (is_old or removed < excess) then
    redis.call("HDEL", services, id)
    redis.call("ZREM", service_times, id)
    removed = removed + 1
  end
end
return { "OK", removed }
