-- record_run: writes one run of a migration into the ledger, at its end; and at its start too, where it cannot run in a
-- transaction. It ends a run of the same kind that was started and cut off; one of the other kind it overtakes.
-- :migration_id, :sha256, :username, :hostname, :process  what was run, and by whom
-- :operation   apply, rollback, mark, unmark, accept
-- :outcome     started, done, failed, interrupted
-- :started_at  when
-- :error       what went wrong, or null
WITH started AS (
    UPDATE _yoyo_ledger
    SET
        outcome = CASE WHEN operation = :operation THEN :outcome ELSE 'interrupted' END,
        sha256 = :sha256,
        username = :username,
        hostname = :hostname,
        process = :process,
        finished_at = CASE WHEN :outcome = 'started' AND operation = :operation THEN NULL ELSE clock_timestamp() END,
        error = :error
    WHERE migration_id = :migration_id AND outcome = 'started'
    RETURNING operation
)
INSERT INTO _yoyo_ledger
    (migration_id, operation, outcome, sha256, username, hostname, process, started_at, finished_at, error)
SELECT
    :migration_id,
    :operation,
    :outcome,
    :sha256,
    :username,
    :hostname,
    :process,
    :started_at,
    CASE WHEN :outcome = 'started' THEN NULL ELSE clock_timestamp() END,
    :error
WHERE NOT EXISTS (SELECT FROM started WHERE operation = :operation);
