-- find_blockers: the three oldest transactions that hold a lock on a table of ours. One of them is, in all likelihood,
-- what a statement of a migration has just waited for in vain.
SELECT
    pid,
    application_name,
    EXTRACT(EPOCH FROM now() - xact_start)::integer AS seconds,
    string_agg(DISTINCT relation::regclass::text, ', ') AS tables
FROM pg_locks
JOIN pg_stat_activity USING (pid)
JOIN pg_class ON pg_class.oid = relation
WHERE granted
    AND pid <> pg_backend_pid()
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relkind IN ('r', 'p')
    AND relnamespace <> 'pg_catalog'::regnamespace
GROUP BY pid, application_name, xact_start
ORDER BY xact_start
LIMIT 3;
