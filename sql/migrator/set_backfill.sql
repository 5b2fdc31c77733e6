-- set_backfill: pauses, resumes, cancels or ends a backfill, and returns its state before. It waits for the batch that
-- runs. A cancelled backfill forgets its position, and the number of its rows when it is resumed: they stay done. A
-- backfill can be paused before it starts.
-- :migration_id  ID of the migration.
-- :state         running, paused, cancelled or done.
WITH before AS (
    SELECT state
    FROM _yoyo_ledger_backfills
    WHERE migration_id = :migration_id
)

INSERT INTO _yoyo_ledger_backfills AS backfill (migration_id, state)
VALUES (:migration_id, :state)
ON CONFLICT (migration_id) DO UPDATE
SET
    state = EXCLUDED.state,
    position = CASE WHEN EXCLUDED.state <> 'cancelled' THEN backfill.position END,
    started_at = CASE WHEN EXCLUDED.state <> 'cancelled' THEN backfill.started_at END,
    rows_done = CASE WHEN EXCLUDED.state <> 'running' OR backfill.started_at IS NOT NULL THEN backfill.rows_done ELSE 0 END,
    updated_at = clock_timestamp()
RETURNING (SELECT state FROM before) AS state_before;
