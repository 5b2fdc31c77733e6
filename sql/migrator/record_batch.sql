-- record_batch: records a batch of a backfill, in the transaction of the batch. Returns whether the table is the
-- one of the start, as lock_backfill does: nothing can drop it now, because the transaction has read it.
-- :migration_id  ID of the migration.
-- :position      key of the first row that is not done, null if nothing is left.
-- :rows          rows of the batch.
-- :seconds       how long the batch took.
-- :table         name of the backfill's table.
UPDATE _yoyo_ledger_backfills
SET
    position = :position,
    rows_done = rows_done + :rows,
    batches = batches + 1,
    batch_size = :batch_size,
    seconds = seconds + :seconds,
    updated_at = clock_timestamp()
WHERE migration_id = :migration_id
RETURNING identity[2] = to_regclass(:table)::oid AS is_same;
