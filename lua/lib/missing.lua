-- A field that is missing, as pack() writes it.
local missing = "\194"
