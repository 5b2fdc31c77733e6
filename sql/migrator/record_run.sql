-- record_run: records a run of a migration in the ledger when it ends. If the migration cannot run in a transaction, it
-- is also recorded when it starts. A run that was started and cut off is continued by a run of the same operation, and
-- becomes interrupted by a run of the other operation.
-- :migration_id  ID of the migration.
-- :sha256        digest of its file.
-- :operation     apply, rollback, mark, unmark, accept.
-- :outcome       started, done, failed, interrupted.
-- :started_at    when the run started.
-- :error         the error, or null.
-- :username, :hostname, :process  the migrator.
WITH overtaken AS (
    UPDATE _yoyo_ledger
    SET
        outcome = 'interrupted',
        finished_at = clock_timestamp()
    WHERE migration_id = :migration_id AND outcome = 'started' AND operation <> :operation
),

mark AS (
    SELECT max(applied_at_utc) AS applied_at_utc
    FROM _yoyo_migration
    WHERE migration_id = :migration_id
),

continued AS (
    UPDATE _yoyo_ledger
    SET
        outcome = :outcome,
        sha256 = :sha256,
        applied_at_utc = mark.applied_at_utc,
        username = :username,
        hostname = :hostname,
        process = :process,
        finished_at = CASE WHEN :outcome <> 'started' THEN clock_timestamp() END,
        error = :error
    FROM mark
    WHERE migration_id = :migration_id AND outcome = 'started' AND operation = :operation
    RETURNING id
)

INSERT INTO _yoyo_ledger
    (migration_id, operation, outcome, sha256, applied_at_utc, username, hostname, process, started_at, finished_at, error)
SELECT
    :migration_id,
    :operation,
    :outcome,
    :sha256,
    applied_at_utc,
    :username,
    :hostname,
    :process,
    :started_at,
    CASE WHEN :outcome <> 'started' THEN clock_timestamp() END,
    :error
FROM mark
WHERE NOT EXISTS (SELECT FROM continued);
