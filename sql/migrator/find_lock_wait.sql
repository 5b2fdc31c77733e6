-- find_lock_wait: whether the ledger has the column that extend_ledger adds.
SELECT 1
FROM pg_attribute
WHERE attrelid = to_regclass('_yoyo_ledger')
    AND attname = 'lock_wait_seconds'
    AND NOT attisdropped;
