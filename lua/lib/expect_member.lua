--[[% use "lib/findings.lua" %]]
-- A member that a record implies has to be there.
local function expect_member(key, member, score, id, text)
  local held = redis.call("ZSCORE", key, member)
  if not held then
    report("missing", key, id, text, { "ZADD", key, score, member })
  end
  return held
end
