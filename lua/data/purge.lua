#!lua flags=allow-oom
--- Remove all client data of the app.
-- @version 5
-- @key client_data
-- @key client_data_uses
-- @key client_data_idle
-- @returns OK
-- @cost O(1); the memory is freed in the background
start_writing()
redis.call("UNLINK", schema, client_data, client_data_uses, client_data_idle)
return { "OK" }
