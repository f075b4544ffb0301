--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
-- The tasks that have invocations, leaping from one to the next: as many steps as the app has tasks.
local function task_names()
  local names, from = {}, "-"
  while true do
    local member = redis.call("ZRANGE", task_index, from, "+", "BYLEX", "LIMIT", 0, 1)[1]
    if not member then
      return names
    end
    names[#names + 1] = unpack_field(member, 1)
    from = "(" .. pack(names[#names]) .. "\255"
  end
end
