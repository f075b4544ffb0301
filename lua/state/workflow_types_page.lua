#!lua flags=no-writes
--- Read one page of the workflow types that have runs.
--- They are packed (module, function), behind the type `after` (empty for the first page).
-- @version 4
-- @key index
-- @arg after bytes
-- @arg count count
-- @returns PAGE types
-- @cost O(count log N), however many runs each type has
--[[% use "lib/pack.lua" %]]
--[[% use "lib/unpack.lua" %]]
local runs = pack("run")
local types, position = {}, "[" .. runs
if after ~= "" then
  position = "(" .. runs .. after .. "\255"
end
while #types < count do
  -- The first run of the next type; the byte 255 leaps over all others of the last one.
  local member =
    redis.call("ZRANGE", index, position, "(" .. runs .. "\255", "BYLEX", "LIMIT", 0, 1)[1]
  if not member then
    break
  end
  local module, func, at
  module, at = unpack_field(member, #runs + 1)
  func = unpack_field(member, at)
  types[#types + 1] = pack(module, func)
  position = "(" .. runs .. types[#types] .. "\255"
end
return { "PAGE", types }
