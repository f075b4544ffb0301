#!lua flags=allow-oom
--- Remove all data that the state backend keeps of the app.
-- @version 5
-- @key invocations
-- @key arguments
-- @key index
-- @key history
-- @key history_times
-- @key results
-- @key exceptions
-- @key workflow_data
-- @key workflow_values
-- @key runner_contexts
-- @key context_times
-- @returns OK
-- @cost O(1); the memory is freed in the background
start_writing()
redis.call(
  "UNLINK",
  schema,
  invocations,
  arguments,
  index,
  history,
  history_times,
  results,
  exceptions,
  workflow_data,
  workflow_values,
  runner_contexts,
  context_times
)
return { "OK" }
