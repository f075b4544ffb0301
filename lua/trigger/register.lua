#!lua
--- Store conditions and triggers with their index.
--- They come in place of all triggers of `task` (of none if it is empty). An item's `kind` is condition
--- or trigger; `members` is what it has in condition_index, packed.
-- @version 8
-- @key conditions
-- @key condition_index
-- @key triggers
-- @key client_data_uses
-- @key client_data_idle
-- @arg task str
-- @item kind id
-- @item id id
-- @item data bytes
-- @item members bytes
-- @returns OK
-- @errors NO_KIND
-- @cost O(n log N) for n items, and the triggers of the task
--[[% use "lib/forget_triggers.lua" %]]
--[[% use "lib/use_client_data.lua" %]]
local members = {}
for i = 1, item_count do
  local kind, id, _, packed = item(i)
  if kind ~= "condition" and kind ~= "trigger" then
    return fail("NO_KIND", id .. " is neither condition nor trigger: " .. kind)
  end
  members[i] = unpack_list(packed)
end
start_writing()
if task ~= "" then
  forget_triggers(task)
end
for i = 1, item_count do
  local kind, id, data = item(i)
  if kind == "trigger" then
    forget_trigger(id)
  end
  if data ~= "" then
    redis.call("HSET", kind == "trigger" and triggers or conditions, id, data)
    use_client_data(kind .. " " .. id, data)
  end
  for _, member in ipairs(members[i]) do
    redis.call("ZADD", condition_index, 0, member)
  end
end
return { "OK" }
