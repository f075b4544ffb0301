-- Scripts run inside the server: its Lua 5.1 and its globals, read only.
std = "lua51"
read_globals = { "redis", "cjson", "struct", "cmsgpack", "bit", "KEYS", "ARGV" }
max_line_length = 100
