--[[% use "lib/refers.lua" %]]
--[[% use "lib/put.lua" %]]
-- Store an invocation with its index members, in place of what is `known` of it (or false); those
-- members of that which differ go.
local function put_invocation(known, invocation_id, record, members, serialized_arguments)
  if known ~= record then
    if known then
      --[[% inline "lib/index_members.lua" %]]
      redis.call("ZREM", index, unpack((index_members(invocation_id, known))))
    end
    put("HSET", invocations, invocation_id, record)
    local scored = {}
    for number, member in ipairs(members) do
      scored[2 * number - 1], scored[2 * number] = "0", member
    end
    put("ZADD", index, unpack(scored))
  end
  if serialized_arguments == "" then
    redis.call("HDEL", arguments, invocation_id)
  else
    put("HSET", arguments, invocation_id, serialized_arguments)
  end
  if refers(serialized_arguments) then
    --[[% inline "lib/use_client_data.lua" %]]
    use_client_data(invocation_id, serialized_arguments)
  end
end
