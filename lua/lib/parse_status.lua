--[[% use "lib/unpack.lua" %]]
-- A record of `statuses` as a table. `owner` stays packed, so that none and empty are two things.
local function parse_status(packed)
  local fields, position = {}, 1
  local record = {}
  for i = 1, 14 do
    local start = position
    fields[i], position = unpack_field(packed, position)
    if i == 2 then
      record.owner = string.sub(packed, start, position - 1)
    end
  end
  record.status, record.at_us, record.op = fields[1], fields[3], fields[4]
  record.retries, record.registered_us, record.task = fields[5], fields[6], fields[7]
  record.queue, record.priority = fields[8], fields[9]
  record.slot, record.unique, record.reroutes = fields[10], fields[11], fields[12]
  record.digests, record.call = fields[13], fields[14]
  return record
end
