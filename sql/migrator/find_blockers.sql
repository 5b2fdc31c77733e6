-- find_blockers: the three oldest transactions that hold a lock on a table of this project, in words. When a statement
-- of a migration has timed out on a lock, one of them probably held it. The times of other roles' sessions need the
-- rights of pg_read_all_stats.
SELECT
    CONCAT(
        'process ', pid,
        ' (', COALESCE(NULLIF(application_name, ''), 'no application_name'),
        ') holds ', string_agg(DISTINCT relation::regclass::text, ', '),
        ', its transaction open for ' || EXTRACT(EPOCH FROM now() - xact_start)::integer || ' s',
        ', its query for ' || EXTRACT(EPOCH FROM now() - query_start)::integer || ' s'
    ) AS blocker
FROM pg_locks
JOIN pg_stat_activity USING (pid)
JOIN pg_class ON pg_class.oid = relation
WHERE granted
    AND pid <> pg_backend_pid()
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relkind IN ('r', 'p')
    AND relnamespace <> 'pg_catalog'::regnamespace
GROUP BY pid, application_name, xact_start, query_start
ORDER BY xact_start
LIMIT 3;
