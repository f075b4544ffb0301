--[[% use "lib/index_members.lua" %]]
--[[% use "lib/use_client_data.lua" %]]
--[[% use "lib/put.lua" %]]
-- Store an invocation with its index members, in place of what is `known` of it (or false); those
-- members of that which differ go.
local function put_invocation(known, invocation_id, record, members, serialized_arguments)
  if known ~= record then
    if known then
      redis.call("ZREM", index, unpack(index_members(invocation_id, known)))
    end
    put("HSET", invocations, invocation_id, record)
    for _, member in ipairs(members) do
      put("ZADD", index, "0", member)
    end
  end
  if serialized_arguments == "" then
    redis.call("HDEL", arguments, invocation_id)
  else
    put("HSET", arguments, invocation_id, serialized_arguments)
    use_client_data(invocation_id, serialized_arguments)
  end
end
