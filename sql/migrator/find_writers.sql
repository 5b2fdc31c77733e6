-- find_writers: finds the transactions of other sessions, and the prepared transactions, that have written a table and are
-- still open, the oldest first. A backfill waits for them: see app/migrations/writers.py. The columns up to `total` are
-- those of find_blockers.sql.
-- Only members of pg_read_all_stats see state, times and statement of another role's session.
-- :table  name of the table, as in SQL. Its partitions count too. NULL: all tables of the schema.
-- It reads the lock table once: a row for each lock.
WITH tables AS MATERIALIZED (
    SELECT oid
    FROM pg_class
    WHERE relkind IN ('r', 'p')
        AND CASE
            WHEN :table::text IS NULL
                THEN relnamespace = quote_ident(current_schema())::regnamespace AND relname !~ '^_?yoyo_'
            ELSE oid = to_regclass(:table) OR oid IN (SELECT relid FROM pg_partition_tree(to_regclass(:table)))
        END
),

writing AS MATERIALIZED (
    SELECT
        pid,
        virtualtransaction,
        min(relation::regclass::text) AS object
    FROM pg_locks
    JOIN tables ON tables.oid = relation
    WHERE granted
        AND mode = 'RowExclusiveLock'
        AND pid IS DISTINCT FROM pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    GROUP BY pid, virtualtransaction
)

SELECT
    writing.virtualtransaction,
    writing.pid AS process,
    gid,
    COALESCE(application_name, '') AS program,
    CASE WHEN writing.pid IS NULL THEN 'prepared transaction' ELSE COALESCE(backend_type, '') END AS kind,
    NULL AS other_database,
    'RowExclusiveLock' AS mode,
    object,
    true AS holds,
    NULLIF(array_remove(pg_blocking_pids(writing.pid), 0), '{}') AS behind,
    state,
    EXTRACT(EPOCH FROM clock_timestamp() - COALESCE(prepared, xact_start))::float AS transaction_seconds,
    EXTRACT(EPOCH FROM clock_timestamp() - COALESCE(query_start, prepared))::float AS query_seconds,
    COALESCE(query, '') AS statement,
    count(*) OVER () AS total
FROM writing
LEFT JOIN pg_stat_activity ON pg_stat_activity.pid = writing.pid
LEFT JOIN pg_locks AS own
    ON writing.pid IS NULL
        AND own.pid IS NULL
        AND own.locktype = 'transactionid'
        AND own.virtualtransaction = writing.virtualtransaction
LEFT JOIN pg_prepared_xacts ON transaction = own.transactionid
ORDER BY COALESCE(prepared, xact_start), writing.pid, gid;
