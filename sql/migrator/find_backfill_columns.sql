-- find_backfill_columns: whether the table of the backfills has the columns that extend_backfills adds.
SELECT count(*) = 2 AS has_columns
FROM pg_attribute
WHERE attrelid = to_regclass('_yoyo_ledger_backfills') AND attname IN ('key_order', 'identity') AND NOT attisdropped;
