--[[% use "lib/pack.lua" %]]
-- Whether some trigger watches a change of status; the answer is kept for the next change of its kind.
local watched = {}
local function is_watched(task, status)
  -- A damaged record may have no task: it must not end a script that writes already.
  local prefix = pack("watch", task or "", status)
  if watched[prefix] == nil then
    local last = "(" .. prefix .. "\255"
    local found = redis.call("ZRANGE", condition_index, "[" .. prefix, last, "BYLEX")
    watched[prefix] = false
    if found[1] then
      --[[% inline "lib/has_trigger.lua" %]]
      watched[prefix] = has_trigger(found, #prefix + 1)
    end
  end
  return watched[prefix]
end
