#!lua flags=allow-oom
--- Remove all queues of the app, and the doorbell of one.
-- @version 5
-- @key queue
-- @key queued
-- @key queue_sequence
-- @key replies
-- @key doorbell <- queue_name
-- @arg queue_name id
-- @returns OK
-- @cost O(1); the memory is freed in the background
start_writing()
redis.call("UNLINK", schema, queue, queued, queue_sequence, replies, doorbell)
return { "OK" }
