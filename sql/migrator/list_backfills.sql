-- list_backfills: the state of each backfill that has started or was paused, for schema backfill status.
SELECT
    migration_id,
    state,
    table_name,
    rows_done,
    rows_expected,
    batches,
    batch_size,
    seconds,
    started_at,
    updated_at,
    sha256
FROM _yoyo_ledger_backfills
ORDER BY migration_id;
