-- read_relations: returns each table of the current schema with its rows, its size and its traffic, for a plan.
-- The rows are the planner's estimate: those of the last ANALYZE for each page, times the pages of now. The size of a
-- table that is locked against readers comes from the last VACUUM or ANALYZE, so that this query waits for no lock.
-- reads counts scans, and writes counts rows, since the statistics were reset.
SELECT
    pg_class.relname AS name,
    CASE
        WHEN pages = 0 THEN 0
        WHEN reltuples >= 0 AND relpages > 0 THEN reltuples / relpages * pages
        ELSE COALESCE(NULLIF(n_live_tup, 0), pages * 50)
    END::bigint AS rows,
    CASE
        WHEN is_locked THEN pages * current_setting('block_size')::bigint
        ELSE pg_table_size(pg_class.oid)
    END::bigint AS table_bytes,
    CASE WHEN is_locked THEN NULL ELSE pg_indexes_size(pg_class.oid) END::bigint AS index_bytes,
    COALESCE(seq_scan, 0) + COALESCE(idx_scan, 0) AS reads,
    COALESCE(n_tup_ins, 0) + COALESCE(n_tup_upd, 0) + COALESCE(n_tup_del, 0) AS writes,
    EXTRACT(EPOCH FROM now() - stats_reset)::double precision AS seconds,
    (SELECT count(*) FROM pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal AND tgenabled <> 'D') AS triggers
FROM pg_class
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT
        FROM pg_locks
        WHERE relation = pg_class.oid
            AND mode = 'AccessExclusiveLock'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS is_locked
) AS lock
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN is_locked THEN relpages
            ELSE pg_relation_size(pg_class.oid) / current_setting('block_size')::bigint
        END AS pages
) AS size
LEFT JOIN pg_stat_user_tables ON relid = pg_class.oid
LEFT JOIN pg_stat_database ON datname = current_database()
WHERE relkind IN ('r', 'm')
    AND relpersistence <> 't'
    AND relnamespace = quote_ident(current_schema())::regnamespace
ORDER BY pg_class.relname;
