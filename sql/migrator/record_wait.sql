-- record_wait: how long the migrator that is about to give the lock back had waited for it, for GET /metrics. It goes into
-- the newest row, whoever wrote that: who waited most often finds nothing left to do. One that refuses or fails tells none.
-- :seconds  that it waited
UPDATE _yoyo_ledger
SET lock_wait_seconds = :seconds
WHERE id = (SELECT max(id) FROM _yoyo_ledger);
