-- record_run: writes one run of a migration into the ledger, at its end; and at its start too, where it cannot run in a
-- transaction. It goes on with a run of the same kind that was started and cut off; one of the other kind it overtakes.
-- :migration_id, :sha256, :username, :hostname, :process  what was run, and by whom
-- :operation   apply, rollback, mark, unmark, accept
-- :outcome     started, done, failed, interrupted
-- :started_at  when
-- :error       what went wrong, or null
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
