--[[% use "lib/put.lua" %]]
-- Writes of a batch, gathered by key: one command for many fields costs the server a fraction of as
-- many commands. Nothing may read what was put since `put = gather` before write_gathered(), and what is
-- put under one key is put by one command.
local gathered, keys_gathered = {}, {}

local function write_one(key)
  redis.call(unpack(gathered[key]))
  gathered[key] = nil
end

local function gather(command, key, first, second, ...)
  local writes = gathered[key]
  if not writes then
    writes = { command, key }
    gathered[key], keys_gathered[#keys_gathered + 1] = writes, key
  end
  writes[#writes + 1] = first
  writes[#writes + 1] = second
  -- What unpack() may give is limited by Lua's stack, to 8,000 values.
  if #writes > 1000 then
    write_one(key)
  end
  if ... then
    gather(command, key, ...)
  end
end

local function write_gathered()
  for _, key in ipairs(keys_gathered) do
    if gathered[key] then
      write_one(key)
    end
  end
end
