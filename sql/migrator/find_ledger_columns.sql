-- find_ledger_columns: whether the ledger has all columns that extend_ledger adds.
SELECT count(*) = 3
FROM pg_attribute
WHERE attrelid = to_regclass('_yoyo_ledger')
    AND attname IN ('lock_wait_seconds', 'seal', 'reason')
    AND NOT attisdropped;
