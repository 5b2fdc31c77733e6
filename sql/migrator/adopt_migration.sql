-- adopt_migration: adds a migration that stock yoyo applied, or an earlier release, to the ledger. From now on its file
-- is checked against this digest. yoyo's own log tells who applied it, and when.
-- :migration_id  ID of the migration
-- :sha256        digest of its file
INSERT INTO _yoyo_ledger
    (migration_id, operation, outcome, sha256, applied_at_utc, username, hostname, started_at, finished_at)
SELECT
    migration_id,
    'adopt',
    'done',
    :sha256,
    applied_at_utc,
    COALESCE(log.username, ''),
    COALESCE(log.hostname, ''),
    applied_at_utc AT TIME ZONE 'UTC',
    clock_timestamp()
FROM _yoyo_migration
LEFT JOIN LATERAL (
    SELECT username, hostname
    FROM _yoyo_log
    WHERE _yoyo_log.migration_id = _yoyo_migration.migration_id
    ORDER BY created_at_utc DESC
    LIMIT 1
) AS log ON true
WHERE migration_id = :migration_id;
