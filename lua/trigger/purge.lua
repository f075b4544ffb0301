#!lua flags=allow-oom
--- Remove all data of triggers of the app.
-- @version 5
-- @key conditions
-- @key condition_index
-- @key triggers
-- @key cron_times
-- @key changes
-- @key valid_conditions
-- @key valid_order
-- @key trigger_claims
-- @key events
-- @key event_links
-- @key event_index
-- @key trigger_runs
-- @key trigger_run_index
-- @returns OK
-- @cost O(1); the memory is freed in the background
start_writing()
redis.call("UNLINK", conditions, condition_index, triggers, cron_times, changes)
redis.call("UNLINK", valid_conditions, valid_order, trigger_claims, events, event_links)
redis.call("UNLINK", schema, event_index, trigger_runs, trigger_run_index)
return { "OK" }
