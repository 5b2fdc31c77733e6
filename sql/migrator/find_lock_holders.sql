-- find_lock_holders: returns the locks on tables and indexes that other sessions and prepared transactions hold now. A
-- plan compares them with the locks of its statements. A row without a relation is a transaction that has a
-- snapshot or has written: a build or drop CONCURRENTLY waits for its end.
-- The statement and the times of another role's session need the rights of pg_read_all_stats.
WITH held AS (
    SELECT
        CASE
            WHEN relnamespace = quote_ident(current_schema())::regnamespace THEN relname
            ELSE relnamespace::regnamespace::text || '.' || relname
        END AS relation,
        mode,
        pid,
        virtualtransaction
    FROM pg_locks
    JOIN pg_class ON pg_class.oid = relation
    WHERE granted
        AND pid IS DISTINCT FROM pg_backend_pid()
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND relnamespace <> 'pg_catalog'::regnamespace

    UNION ALL

    SELECT NULL, NULL, pid, NULL
    FROM pg_stat_activity
    WHERE datname = current_database()
        AND pid <> pg_backend_pid()
        AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
)

SELECT
    held.relation,
    held.mode,
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
ORDER BY relation, seconds DESC NULLS LAST, process, gid, mode;
