-- lock_backfill: the state of a backfill, locked until the end of the batch. A pause waits for that.
-- key_order is null also if an earlier release created the table, which then lacks the column.
-- :migration_id  ID of the migration.
SELECT
    state,
    sha256,
    position,
    ends_at,
    rows_done,
    rows_expected,
    batch_size,
    started_at,
    to_jsonb(_yoyo_ledger_backfills) -> 'key_order' AS key_order
FROM _yoyo_ledger_backfills
WHERE migration_id = :migration_id
FOR UPDATE;
