-- pynenc's status machine, generated from the installed pynenc: a text to search, for tables would be
-- made anew in each call.
local machine = "--[[= status_machine ]]" -- luacheck: no max line length
