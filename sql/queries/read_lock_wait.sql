-- read_lock_wait: how long the last migrator waited for the lock, for GET /metrics. The migrator writes it into the newest
-- row of its ledger. One that an older release made has no such column, which is no error in JSON; nor is it a row.
-- Index: none, it reads the whole ledger: a few rows for each migration.
SELECT (to_jsonb(_yoyo_ledger) ->> 'lock_wait_seconds')::float AS seconds
FROM _yoyo_ledger
WHERE to_jsonb(_yoyo_ledger) ->> 'lock_wait_seconds' IS NOT NULL
ORDER BY id DESC
LIMIT 1;
