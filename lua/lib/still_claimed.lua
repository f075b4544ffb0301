--[[% use "lib/last_reply.lua" %]]
--[[% use "lib/read_many.lua" %]]
-- What a consumer claimed by an operation, if that was its last one and nobody changed it since.
local function still_claimed(consumer, op)
  local told, ids = last_reply(consumer, op), {}
  if told then
    --[[% inline "lib/read_status.lua" %]]
    for _, invocation_id in ipairs(told) do
      local record = read_status(invocation_id)
      if record and record.op == op then
        ids[#ids + 1] = invocation_id
      end
    end
  end
  return ids
end

-- Invocations with their records and arguments.
local function with_payloads(ids)
  local records, payloads, claimed = read_many(invocations, ids), read_many(arguments, ids), {}
  for i, invocation_id in ipairs(ids) do
    claimed[i] = { invocation_id, records[i], payloads[i] or "" }
  end
  return claimed
end
