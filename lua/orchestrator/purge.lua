#!lua flags=allow-oom
--- Remove all data that the orchestrator keeps of the app.
-- @version 5
-- @key statuses
-- @key registered
-- @key open
-- @key expiring
-- @key task_index
-- @key concurrency
-- @key waits
-- @key blocking
-- @key heartbeats
-- @key heartbeats_since
-- @key runners
-- @key services
-- @key service_times
-- @key service_holder
-- @returns OK
-- @cost O(1); the memory is freed in the background
start_writing()
redis.call("UNLINK", statuses, registered, open, expiring, task_index, concurrency, waits)
redis.call("UNLINK", blocking, heartbeats, runners, services, service_times)
redis.call("UNLINK", schema, service_holder, heartbeats_since)
return { "OK" }
