--[[% use "lib/index_members.lua" %]]
--[[% use "lib/use_client_data.lua" %]]
-- Store an invocation with its index members; those of an older record of it that differ go.
local function put_invocation(invocation_id, record, members, serialized_arguments)
  local known = redis.call("HGET", invocations, invocation_id)
  if known ~= record then
    if known then
      redis.call("ZREM", index, unpack(index_members(invocation_id, known)))
    end
    redis.call("HSET", invocations, invocation_id, record)
    for _, member in ipairs(members) do
      redis.call("ZADD", index, 0, member)
    end
  end
  if serialized_arguments == "" then
    redis.call("HDEL", arguments, invocation_id)
  else
    redis.call("HSET", arguments, invocation_id, serialized_arguments)
    use_client_data(invocation_id, serialized_arguments)
  end
end
