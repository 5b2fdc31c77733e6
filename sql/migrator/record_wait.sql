-- record_wait: records how long the migrator waited for the lock, for GET /metrics. It goes into the newest row,
-- whichever migrator wrote that row: a migrator that waited usually finds nothing to do. A migrator that fails records
-- no wait.
-- :seconds  time that it waited
UPDATE _yoyo_ledger
SET lock_wait_seconds = :seconds
WHERE id = (SELECT max(id) FROM _yoyo_ledger);
