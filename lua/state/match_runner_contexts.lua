#!lua flags=no-writes
--- Read one page of the contexts of the runners whose id contains a text.
--- The text is taken literally. Replies with the cursor of the next page, "0" after the last. As
--- HSCAN's, a page may repeat what an earlier one held.
-- @version 2
-- @key runner_contexts
-- @arg cursor str
-- @arg part str
-- @arg count count
-- @returns PAGE cursor pairs
-- @cost O(count)
local scanned = redis.call("HSCAN", runner_contexts, cursor, "COUNT", count)
local pairs_found, fields = {}, scanned[2]
for i = 1, #fields, 2 do
  if string.find(fields[i], part, 1, true) then
    pairs_found[#pairs_found + 1] = { fields[i], fields[i + 1] }
  end
end
return { "PAGE", scanned[1], pairs_found }
