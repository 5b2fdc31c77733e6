-- adopt_migration: takes a migration that is applied, but not by this migrator, into the ledger: from now on its text is
-- held to be the one it was applied with. By whom and when is what yoyo's own log knows.
-- :migration_id  the migration
-- :sha256        of its file
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
