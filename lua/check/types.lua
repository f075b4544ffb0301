#!lua flags=no-writes
--- Read the type of each key of the app, but for the doorbells, and its schema number.
--- Types come in the order of the keys, "none" for a key that does not exist; the number is false
--- where there is none, or another type.
-- @version 2
-- @key schema
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
-- @key replies
-- @key services
-- @key service_times
-- @key service_holder
-- @key queue
-- @key queued
-- @key queue_sequence
-- @key client_data
-- @key client_data_uses
-- @key client_data_idle
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
-- @returns OK types schema_number
-- @cost O(1)
local types = {}
for i, key in ipairs({
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
  context_times,
  statuses,
  registered,
  open,
  expiring,
  task_index,
  concurrency,
  waits,
  blocking,
  heartbeats,
  heartbeats_since,
  runners,
  replies,
  services,
  service_times,
  service_holder,
  queue,
  queued,
  queue_sequence,
  client_data,
  client_data_uses,
  client_data_idle,
  conditions,
  condition_index,
  triggers,
  cron_times,
  changes,
  valid_conditions,
  valid_order,
  trigger_claims,
  events,
  event_links,
  event_index,
  trigger_runs,
  trigger_run_index,
}) do
  types[i] = redis.call("TYPE", key).ok
end
return { "OK", types, types[1] == "string" and redis.call("GET", schema) }
