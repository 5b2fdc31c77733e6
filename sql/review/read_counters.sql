-- read_counters: returns the time in milliseconds, the WAL of the server so far, and the counters of this session. They are
-- the pages that it looked at, the rows and index entries that its scans read, its updates, and those that were HOT. They
-- begin at zero now and then, but not within a transaction.
-- Objects with a lower oid than 16384 are those of PostgreSQL itself. A review sends this some thousand times.
SELECT
    1000 * extract(epoch FROM clock_timestamp())::float8 AS milliseconds,
    (pg_current_wal_insert_lsn() - '0/0')::bigint AS wal,
    COALESCE(sum(pg_stat_get_xact_blocks_fetched(oid)), 0)::bigint AS pages,
    COALESCE(sum(pg_stat_get_xact_tuples_returned(oid)), 0)::bigint AS scanned,
    COALESCE(sum(pg_stat_get_xact_tuples_updated(oid)), 0)::bigint AS updated,
    COALESCE(sum(pg_stat_get_xact_tuples_hot_updated(oid)), 0)::bigint AS hot
FROM pg_class
WHERE oid >= 16384 AND relkind IN ('r', 'i', 'm');
