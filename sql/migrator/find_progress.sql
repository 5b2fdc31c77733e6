-- find_progress: whether a migrator's server process, or one of its parallel workers, waits for a lock, and how far it
-- is. PostgreSQL counts the work of an index build, VACUUM, CLUSTER and ANALYZE. For other statements, such as VALIDATE
-- CONSTRAINT, it tells the tables that the transaction has locked, and their sizes at the last VACUUM or ANALYZE.
-- The migrator asks from another connection, about once a second. It asks find_blockers only during a wait, because
-- pg_blocking_pids() stops PostgreSQL's lock manager for a moment.
-- :process  pg_backend_pid() of the migrator
WITH work (label, unit, done, total) AS (
    SELECT
        phase,
        CASE WHEN blocks_total > 0 THEN 'blocks' WHEN tuples_total > 0 THEN 'rows' ELSE 'sessions' END,
        CASE WHEN blocks_total > 0 THEN blocks_done WHEN tuples_total > 0 THEN tuples_done ELSE lockers_done END,
        CASE WHEN blocks_total > 0 THEN blocks_total WHEN tuples_total > 0 THEN tuples_total ELSE lockers_total END
    FROM pg_stat_progress_create_index
    WHERE pid = :process

    UNION ALL

    SELECT
        'VACUUM, ' || phase,
        'blocks',
        heap_blks_scanned,
        heap_blks_total
    FROM pg_stat_progress_vacuum
    WHERE pid = :process

    UNION ALL

    SELECT
        command || ', ' || phase,
        'blocks',
        heap_blks_scanned,
        heap_blks_total
    FROM pg_stat_progress_cluster
    WHERE pid = :process

    UNION ALL

    SELECT
        'ANALYZE, ' || phase,
        'blocks',
        sample_blks_scanned,
        sample_blks_total
    FROM pg_stat_progress_analyze
    WHERE pid = :process
)

SELECT
    EXISTS (
        SELECT
        FROM pg_stat_activity
        WHERE :process IN (pid, leader_pid) AND wait_event_type = 'Lock'
    ) AS is_waiting,
    label,
    unit,
    done,
    total,
    (
        SELECT
            'on ' || string_agg(
                CONCAT(relname, ' (', pg_size_pretty(relpages * current_setting('block_size')::bigint), ')'),
                ', ' ORDER BY relpages DESC, relname
            )
        FROM pg_class
        WHERE relkind IN ('r', 'p', 'm')
            AND relnamespace <> 'pg_catalog'::regnamespace
            AND oid IN (
                SELECT relation
                FROM pg_locks
                WHERE pid = :process AND granted AND mode <> 'AccessShareLock'
            )
            AND relname NOT LIKE '\_yoyo%'
            AND relname <> 'yoyo_lock'
    ) AS tables
FROM (VALUES (1)) AS always (one)
LEFT JOIN work ON true
LIMIT 1;
