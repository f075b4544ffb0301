--[[% use "lib/put.lua" %]]
-- Writes of a batch, gathered by command and key: one command for many fields costs the server a fraction
-- of as many commands. Nothing may read what was put since `put = gather` before write_gathered(), and no
-- member may be both put and removed in that time.
local gathered, kinds = {}, {}

local function write_one(kind)
  redis.call(unpack(gathered[kind]))
  gathered[kind] = nil
end

local function gather(command, key, first, second, ...)
  local kind = command .. key
  local writes = gathered[kind]
  if not writes then
    writes = { command, key }
    gathered[kind], kinds[#kinds + 1] = writes, kind
  end
  writes[#writes + 1] = first
  writes[#writes + 1] = second
  -- What unpack() may give is limited by Lua's stack, to 8,000 values.
  if #writes > 1000 then
    write_one(kind)
  end
  if ... then
    gather(command, key, ...)
  end
end

local function write_gathered()
  for _, kind in ipairs(kinds) do
    if gathered[kind] then
      write_one(kind)
    end
  end
end
