--[[% use "lib/unpack.lua" %]]
-- Store runner contexts, given as a packed list of id, JSON, id, JSON, …
local function add_runner_contexts(packed)
  local position = 1
  while position <= #packed do
    local runner_id, context
    runner_id, position = unpack_field(packed, position)
    context, position = unpack_field(packed, position)
    redis.call("HSET", runner_contexts, runner_id, context)
  end
end
