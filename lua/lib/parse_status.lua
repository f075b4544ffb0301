-- A record of `statuses` as a table; its owner is false if there is none. Made with all its fields at
-- once: a table that grows field by field is made anew several times.
local function parse_status(packed)
  local status, owner, at_us, op, retries, registered_us, task, queue_name, priority, slot, unique, reroutes, digests, call =
    cmsgpack.unpack(packed)
  return {
    status = status,
    owner = owner,
    at_us = at_us,
    op = op,
    retries = retries,
    registered_us = registered_us,
    task = task,
    queue = queue_name,
    priority = priority,
    slot = slot,
    unique = unique,
    reroutes = reroutes,
    digests = digests,
    call = call,
  }
end
