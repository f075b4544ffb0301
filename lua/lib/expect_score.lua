--[[% use "lib/expect_member.lua" %]]
--[[% use "lib/expect_equal.lua" %]]
-- The same for a member whose score the record tells.
local function expect_score(key, member, score, id, text)
  expect_equal(key, member, expect_member(key, member, score, id, text), score, id)
end
