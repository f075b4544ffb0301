#!lua
--- Record relations that no invocation record implies: workflow runs and sub-invocations.
-- @version 4
-- @key index
-- @item member bytes
-- @returns OK
-- @cost O(n log N) for n items
start_writing()
for i = 1, item_count do
  redis.call("ZADD", index, 0, (item(i)))
end
return { "OK" }
