#!lua flags=no-writes
--- Read one page of runs of triggers between two times, the oldest first.
--- They are in the range of trigger_run_index that begins with `prefix`; the next page goes on behind
--- the last entry. Each entry is what stands behind the prefix, and the run.
-- @version 4
-- @key trigger_runs
-- @key trigger_run_index
-- @arg prefix bytes
-- @arg from_us us
-- @arg to_us us
-- @arg after bytes
-- @arg count count
-- @returns PAGE entries
-- @cost O(log N + count)
--[[% use "lib/unpack_list.lua" %]]
local from = string.format("%016.0f", from_us)
local first = after == "" and "[" .. prefix .. from or "(" .. prefix .. after
local last = "(" .. prefix .. string.format("%016.0f", to_us + 1)
local members = redis.call("ZRANGE", trigger_run_index, first, last, "BYLEX", "LIMIT", 0, count)
local entries = {}
for i, member in ipairs(members) do
  local behind = string.sub(member, #prefix + 1)
  local packed = redis.call("HGET", trigger_runs, string.sub(behind, 17))
  entries[i] = { behind, unpack_list(packed)[3] }
end
return { "PAGE", entries }
