#!lua
--- Register invocations that are not known yet.
--- It is for apps whose state or queue is kept elsewhere. Replies with the time of the first one.
-- @version 13
-- @key statuses
-- @key registered
-- @key open
-- @key task_index
-- @key concurrency
-- @key index
-- @arg owner bytes
-- @arg op id
-- @item invocation_id id
-- @item task id
-- @item call_id id
-- @item queue_name str
-- @item priority bytes
-- @item slot str
-- @item unique_key str
-- @item reroutes str
-- @item digests bytes
-- @returns OK time
-- @cost O(n log N) for n items
--[[% use "lib/call_member.lua" %]]
--[[% use "lib/register.lua" %]]
--[[% use "lib/parse_pairs.lua" %]]
--[[% use "lib/renew_control.lua" %]]
--[[% use "lib/read_status.lua" %]]
--[[% use "lib/time.lua" %]]
--[[% use "lib/decimal.lua" %]]
for i = 1, item_count do
  local _, _, _, _, _, _, _, _, digests = item(i)
  parse_pairs(digests)
end
local runner_id = cmsgpack.unpack(owner)
start_writing()
local first_us = now_us()
for i = 1, item_count do
  local invocation_id, task, call_id, queue_name, priority, slot, unique_key, reroutes, digests =
    item(i)
  local known = read_status(invocation_id)
  if known then
    renew_control(invocation_id, known, slot, unique_key, reroutes, digests)
  else
    local at_us = decimal(first_us + i - 1)
    redis.call("ZADD", index, 0, call_member(call_id, invocation_id))
    register(invocation_id, {
      status = "registered",
      owner = runner_id,
      at_us = at_us,
      op = op,
      retries = "0",
      registered_us = at_us,
      task = task,
      queue = queue_name,
      priority = priority,
      slot = slot,
      unique = unique_key,
      reroutes = reroutes,
      digests = digests,
      call = call_id,
    })
  end
end
-- What is stored, not the time of this call: it may be one that is repeated.
local first = item_count > 0 and read_status((item(1)))
return { "OK", first and first.registered_us or decimal(first_us) }
