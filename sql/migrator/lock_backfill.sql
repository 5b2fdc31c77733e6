-- lock_backfill: the state of a backfill, locked until the end of the batch. A pause waits for that.
-- key_order and identity are null also if an earlier release created the table, which then lacks the columns.
-- is_same tells whether the backfill's table is the one of the start. Null: not known. A table that was dropped and
-- created again has another OID. A restored dump has other OIDs too, but then also this table has another one.
-- :migration_id  ID of the migration.
-- :table         name of the backfill's table, null if it does not matter.
SELECT
    state,
    sha256,
    position,
    ends_at,
    rows_done,
    rows_expected,
    batch_size,
    started_at,
    to_jsonb(_yoyo_ledger_backfills) -> 'key_order' AS key_order,
    CASE
        WHEN to_jsonb(_yoyo_ledger_backfills) -> 'identity' ->> 0 = '_yoyo_ledger_backfills'::regclass::oid::text
            THEN to_jsonb(_yoyo_ledger_backfills) -> 'identity' ->> 1 = to_regclass(:table)::oid::text
    END AS is_same
FROM _yoyo_ledger_backfills
WHERE migration_id = :migration_id
FOR UPDATE;
