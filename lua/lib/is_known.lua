-- Whether there is anything to which what is kept of an invocation belongs.
local function is_known(invocation_id)
  return redis.call("HEXISTS", invocations, invocation_id) == 1
    or redis.call("HEXISTS", statuses, invocation_id) == 1
end
