-- The server's clock in µs since 1970: clocks of workers may be wrong by minutes. It is read once: all
-- that a script does is one moment.
local moment
local function now_us()
  if not moment then
    local time = redis.call("TIME")
    moment = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  return moment
end
