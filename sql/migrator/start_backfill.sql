-- start_backfill: records that a backfill starts at the first row of its table.
-- :migration_id   ID of the migration.
-- :sha256         digest of its file.
-- :table          name of the table.
-- :position       key of the first row, null if the table is empty.
-- :ends_at        key of the last row, null if the table is empty.
-- :rows_expected  estimated number of rows.
-- :key_order      types and collations of the key's columns.
INSERT INTO _yoyo_ledger_backfills
    (migration_id, state, sha256, table_name, position, ends_at, rows_expected, started_at, key_order, identity)
VALUES (
    :migration_id,
    'running',
    :sha256,
    :table,
    :position,
    :ends_at,
    :rows_expected,
    clock_timestamp(),
    :key_order,
    ARRAY['_yoyo_ledger_backfills'::regclass::oid, to_regclass(:table)::oid]
)
ON CONFLICT (migration_id) DO UPDATE
SET
    state = EXCLUDED.state,
    sha256 = EXCLUDED.sha256,
    table_name = EXCLUDED.table_name,
    position = EXCLUDED.position,
    ends_at = EXCLUDED.ends_at,
    rows_done = 0,
    rows_expected = EXCLUDED.rows_expected,
    batches = 0,
    seconds = 0,
    started_at = EXCLUDED.started_at,
    key_order = EXCLUDED.key_order,
    identity = EXCLUDED.identity,
    updated_at = clock_timestamp();
