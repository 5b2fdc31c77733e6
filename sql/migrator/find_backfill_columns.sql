-- find_backfill_columns: whether the table of the backfills has the column that extend_backfills adds.
SELECT EXISTS (
    SELECT
    FROM pg_attribute
    WHERE attrelid = to_regclass('_yoyo_ledger_backfills') AND attname = 'key_order' AND NOT attisdropped
) AS has_key_order;
