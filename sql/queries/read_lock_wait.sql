-- read_lock_wait: returns how long the last migrator waited for the lock, for GET /metrics. The migrator writes the
-- time into the newest row of its ledger. It reads the row as JSON, because the ledger of an older release has no such
-- column.
-- Index: none, it reads the whole ledger: a few rows for each migration.
SELECT (to_jsonb(_yoyo_ledger) ->> 'lock_wait_seconds')::float AS seconds
FROM _yoyo_ledger
WHERE to_jsonb(_yoyo_ledger) ->> 'lock_wait_seconds' IS NOT NULL
ORDER BY id DESC
LIMIT 1;
