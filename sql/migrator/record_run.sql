-- record_run: records a run of a migration in the ledger when it ends. If the migration cannot run in a transaction, it
-- is also recorded when it starts. A run that was started and cut off is continued by a run of the same operation.
-- A run of the other operation makes it interrupted. All times come from PostgreSQL's clock. The duration comes from
-- the migrator's monotonic clock, so that no change of a clock makes it negative. A migration keeps its last 20 failed
-- and interrupted runs: a migrator that fails in a loop does not let the ledger grow.
-- :migration_id  ID of the migration.
-- :sha256        digest of its file.
-- :operation     apply, rollback, mark, unmark, accept.
-- :outcome       started, done, failed, interrupted.
-- :seconds       how long the run took so far.
-- :error         the error, or null.
-- :username, :hostname, :process  the migrator.
WITH clock AS MATERIALIZED (
    SELECT
        now,
        now - make_interval(secs => :seconds) AS started_at,
        CASE WHEN :outcome <> 'started' THEN now END AS finished_at
    FROM clock_timestamp() AS now
),

pruned AS (
    DELETE FROM _yoyo_ledger
    WHERE migration_id = :migration_id
        AND outcome IN ('failed', 'interrupted')
        AND :outcome IN ('failed', 'interrupted')
        AND id NOT IN (
            SELECT id
            FROM _yoyo_ledger
            WHERE migration_id = :migration_id AND outcome IN ('failed', 'interrupted')
            ORDER BY id DESC
            LIMIT 19
        )
),

overtaken AS (
    UPDATE _yoyo_ledger
    SET
        outcome = 'interrupted',
        finished_at = clock.now
    FROM clock
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
        started_at = clock.started_at,
        finished_at = clock.finished_at,
        error = :error
    FROM mark
    CROSS JOIN clock
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
    started_at,
    finished_at,
    :error
FROM mark
CROSS JOIN clock
WHERE NOT EXISTS (SELECT FROM continued);
