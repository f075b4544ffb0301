-- An integer below 2^53 as decimal text; tostring() would keep 14 digits.
local function decimal(number)
  return string.format("%.0f", number)
end
