-- Scripts run inside the server: its Lua 5.1 and its globals, read only.
std = "lua51"
read_globals = { "redis", "cjson", "struct", "cmsgpack", "bit", "KEYS", "ARGV" }
-- The body has 100; names and guards around it are written by the renderer.
max_line_length = 140
