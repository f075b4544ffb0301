-- Store runner contexts, given as a list of id, JSON, id, JSON, …
local function store_contexts(found)
  for i = 1, #found, 2 do
    redis.call("HSET", runner_contexts, found[i], found[i + 1])
  end
end
