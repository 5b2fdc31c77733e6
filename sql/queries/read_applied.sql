-- read_applied: returns the columns of read_history if there is no ledger yet, because stock yoyo made the tables.
-- Index: none, one row for each migration.
SELECT
    migration_id,
    applied_at_utc AT TIME ZONE 'UTC' AS applied_at,
    NULL AS sha256,
    NULL AS operation,
    NULL AS outcome,
    NULL AS username,
    NULL AS hostname,
    NULL AS process,
    NULL AS started_at,
    NULL AS finished_at,
    NULL AS error,
    NULL AS seal,
    NULL AS reason,
    NULL AS run_sha256
FROM _yoyo_migration
ORDER BY migration_id;
