--[[% use "lib/findings.lua" %]]
-- A member that is there (`held` is its score) has the score that its record tells.
local function expect_equal(key, member, held, score, id)
  if held and tonumber(held) ~= tonumber(score) then
    local text = "its score is " .. held .. ", not " .. score
    report("wrong_score", key, id, text, { "ZADD", key, score, member })
  end
end
