--[[% use "lib/pack.lua" %]]
--[[% use "lib/readable_list.lua" %]]
-- The fields of a record of `triggers`, the last one as a list, or nil for what is none.
local function readable_trigger(packed)
  local fields = packed and readable_list(packed, 4)
  if not fields or not (fields[1] and fields[2] and fields[4]) then
    return nil
  end
  fields[4] = readable_list(fields[4])
  for _, condition_id in ipairs(fields[4] or {}) do
    if not condition_id then
      return nil
    end
  end
  return fields[4] and fields or nil
end

-- The members of `condition_index` that a trigger has.
local function trigger_members(trigger_id, fields)
  local members = { pack("triggers", fields[1], trigger_id) }
  for _, condition_id in ipairs(fields[4]) do
    members[#members + 1] = pack("by", condition_id, trigger_id)
  end
  return members
end
