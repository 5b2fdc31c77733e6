-- write_share_locks: writes the EXPLAIN that takes an ACCESS SHARE lock on each table, partition and materialized view
-- of any schema. The watcher of a review runs it, and must not hold a stronger lock. LOCK TABLE rejects materialized
-- views. EXPLAIN also accepts one that has no data. The result is NULL if there is no table.
SELECT 'EXPLAIN ' || string_agg(format('SELECT 1 FROM ONLY %s', oid::regclass), ' UNION ALL ' ORDER BY oid) AS statement
FROM pg_class
WHERE relkind IN ('r', 'p', 'm')
    AND relpersistence <> 't'
    AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast');
