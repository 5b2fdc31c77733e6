-- find_lock_holders: returns the locks on tables and indexes that other sessions and prepared transactions hold now, or
-- wait for. A plan compares them with the locks of its statements. A row without a relation is a session that has a
-- snapshot: a build CONCURRENTLY waits for the end of its transaction. It does not wait for a VACUUM, or an autovacuum,
-- which has no role.
-- The statement and the times of another role's session need the rights of pg_read_all_stats.
WITH held AS (
    SELECT
        CASE
            WHEN relnamespace = quote_ident(current_schema())::regnamespace THEN relname
            ELSE relnamespace::regnamespace::text || '.' || relname
        END AS relation,
        mode,
        granted,
        pid,
        virtualtransaction
    FROM pg_locks
    JOIN pg_class ON pg_class.oid = relation
    WHERE pid IS DISTINCT FROM pg_backend_pid()
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND relnamespace <> 'pg_catalog'::regnamespace

    UNION ALL

    SELECT NULL, NULL, true, pid, NULL
    FROM pg_stat_activity
    WHERE datname = current_database()
        AND pid <> pg_backend_pid()
        AND backend_xmin IS NOT NULL
        AND leader_pid IS NULL
        AND usesysid IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM pg_stat_progress_vacuum WHERE pg_stat_progress_vacuum.pid = pg_stat_activity.pid
        )
)

SELECT
    held.relation,
    held.mode,
    held.granted,
    held.pid AS process,
    gid,
    application_name AS application,
    COALESCE(state, backend_type) AS state,
    EXTRACT(EPOCH FROM clock_timestamp() - COALESCE(xact_start, prepared))::double precision AS seconds,
    query
FROM held
LEFT JOIN pg_stat_activity USING (pid)
LEFT JOIN pg_locks AS own
    ON held.pid IS NULL
        AND own.pid IS NULL
        AND own.locktype = 'transactionid'
        AND own.virtualtransaction = held.virtualtransaction
LEFT JOIN pg_prepared_xacts ON transaction = own.transactionid
ORDER BY relation, seconds DESC NULLS LAST, process, gid, held.granted, mode;
