local function is_integer(text)
  return text and #text <= 17 and string.find(text, "^%-?%d+$") ~= nil
end
