-- read_counters: returns the WAL of the server so far, and the counters of this session's transaction. They are the pages
-- that it looked at, the rows and index entries that its scans read, its updates, and those that were HOT.
SELECT
    (pg_current_wal_insert_lsn() - '0/0')::bigint AS wal,
    COALESCE(sum(pg_stat_get_xact_blocks_fetched(oid)), 0)::bigint AS pages,
    COALESCE(sum(pg_stat_get_xact_tuples_returned(oid)), 0)::bigint AS scanned,
    COALESCE(sum(pg_stat_get_xact_tuples_updated(oid)), 0)::bigint AS updated,
    COALESCE(sum(pg_stat_get_xact_tuples_hot_updated(oid)), 0)::bigint AS hot
FROM pg_class
WHERE relkind IN ('r', 'i', 'm')
    AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast');
