-- The server's clock in µs since 1970: clocks of workers may be wrong by minutes.
local function now_us()
  local time = redis.call("TIME")
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end
