--[[% use "lib/index_members.lua" %]]
--[[% use "lib/use_client_data.lua" %]]
--[[% use "lib/put.lua" %]]
-- Members for one ZADD that gives all of them the same score.
local function with_score(score, members)
  local scored = {}
  for _, member in ipairs(members) do
    scored[#scored + 1] = score
    scored[#scored + 1] = member
  end
  return scored
end

-- Store an invocation with its index members, in place of what is `known` of it (or false); those
-- members of that which differ go.
local function put_invocation(known, invocation_id, record, members, serialized_arguments)
  if known ~= record then
    if known then
      redis.call("ZREM", index, unpack((index_members(invocation_id, known))))
    end
    put("HSET", invocations, invocation_id, record)
    put("ZADD", index, unpack(with_score("0", members)))
  end
  if serialized_arguments == "" then
    redis.call("HDEL", arguments, invocation_id)
  else
    put("HSET", arguments, invocation_id, serialized_arguments)
    use_client_data(invocation_id, serialized_arguments)
  end
end
