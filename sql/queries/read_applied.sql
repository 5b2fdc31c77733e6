-- read_applied: what read_history tells where there is no ledger yet: stock yoyo made these tables.
-- Index: none; a row for each migration.
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
    NULL AS error
FROM _yoyo_migration
ORDER BY migration_id;
