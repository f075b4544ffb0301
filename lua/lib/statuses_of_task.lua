--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- The statuses that a task has invocations in: at most as many as there are statuses.
local function statuses_of_task(name)
  local prefix, found = pack(name), {}
  local from, last = "[" .. prefix, "(" .. prefix .. "\255"
  while true do
    local member = redis.call("ZRANGE", task_index, from, last, "BYLEX", "LIMIT", 0, 1)[1]
    if not member then
      return found
    end
    found[#found + 1] = unpack_field(member, #prefix + 1)
    from = "(" .. prefix .. pack(found[#found]) .. "\255"
  end
end
