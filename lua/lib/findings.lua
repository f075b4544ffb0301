-- What a check finds in a page. All of it is found before anything is written: `commands` mend it.
local problems, commands, left = {}, {}, {}

-- Note a problem, and what mends it: commands as lists, or functions. Without any it stays.
local function report(kind, key, id, text, ...)
  local problem = { kind, key, id, text }
  problems[#problems + 1] = problem
  if select("#", ...) == 0 then
    left[#left + 1] = problem
  end
  for _, command in ipairs({ ... }) do
    commands[#commands + 1] = command
  end
end

local function mend()
  for _, command in ipairs(commands) do
    if type(command) == "function" then
      command()
    else
      redis.call(unpack(command))
    end
  end
end

-- Look at a page of a hash (HSCAN) or a sorted set (ZSCAN); replies with the cursor of the next page
-- ("0" after the last) and how many entries were looked at.
local function look_at(scan, key, cursor, count, check)
  local scanned = redis.call(scan, key, cursor, "COUNT", count)
  local entries = scanned[2]
  for i = 1, #entries, 2 do
    check(entries[i], entries[i + 1])
  end
  return scanned[1], #entries / 2
end
