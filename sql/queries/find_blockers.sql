-- find_blockers: finds each session and each prepared transaction that blocks the statement of the running migrator, the
-- oldest transaction first. It is for the migrator, `schema status`, and GET /v1/schema. It returns no row if
-- the migrator waits for no lock. A session that queues for a lock in front of the migrator also blocks it.
-- pg_blocking_pids() names a prepared transaction as 0. Its lock leads to its gid.
-- Only members of pg_read_all_stats see state, times and statement of another role's session.
-- $1 text: text of the lock, `lock_key` of the project
-- $2 integer: the server process of another session, whose statement is asked about. NULL: that of the lock's holder
-- Index: none, it reads the lock table once: a row for each lock. At most 10 blockers, with the number of all.
-- example free: 'yoyo_lock', NULL
-- example of another session: 'yoyo_lock', 1
WITH conflicting (mode, others) AS (
    VALUES
    ('AccessShareLock', '{AccessExclusiveLock}'::text[]),
    ('RowShareLock', '{ExclusiveLock,AccessExclusiveLock}'),
    ('RowExclusiveLock', '{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'),
    (
        'ShareUpdateExclusiveLock',
        '{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'
    ),
    (
        'ShareLock',
        '{RowExclusiveLock,ShareUpdateExclusiveLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'
    ),
    (
        'ShareRowExclusiveLock',
        '{RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'
    ),
    (
        'ExclusiveLock',
        '{RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,'
        'AccessExclusiveLock}'
    ),
    (
        'AccessExclusiveLock',
        '{AccessShareLock,RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,'
        'ExclusiveLock,AccessExclusiveLock}'
    )
),

locks AS MATERIALIZED (
    SELECT
        pid,
        locktype,
        database,
        relation,
        transactionid,
        classid,
        objid,
        objsubid,
        virtualtransaction,
        mode,
        granted,
        ROW(locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid)::text AS target
    FROM pg_locks
),

-- Each prepared transaction holds the lock on its own transaction ID.
prepared AS MATERIALIZED (
    SELECT
        virtualtransaction,
        gid,
        prepared,
        pg_prepared_xacts.database AS prepared_in
    FROM locks
    JOIN pg_prepared_xacts ON transaction = transactionid
    WHERE locktype = 'transactionid' AND pid IS NULL
),

migrator AS MATERIALIZED (
    SELECT $2::integer AS pid
    WHERE $2::integer IS NOT NULL

    UNION ALL

    SELECT pid
    FROM locks
    WHERE $2::integer IS NULL
        AND locktype = 'advisory'
        AND granted
        AND objsubid = 1
        AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
),

-- of the migrator and of its parallel workers
wanted AS MATERIALIZED (
    SELECT
        target,
        others
    FROM migrator
    JOIN pg_stat_activity AS member ON migrator.pid IN (member.pid, member.leader_pid)
    JOIN locks ON locks.pid = member.pid AND NOT granted
    JOIN conflicting USING (mode)
),

blocking AS MATERIALIZED (
    SELECT DISTINCT NULLIF(blocker.pid, 0) AS pid
    FROM migrator
    CROSS JOIN LATERAL unnest(pg_blocking_pids(migrator.pid)) AS blocker (pid)
),

own AS (
    SELECT
        locks.pid,
        gid,
        prepared,
        prepared_in,
        bool_or(granted) AS holds,
        string_agg(DISTINCT mode, ', ') FILTER (WHERE granted) AS held,
        string_agg(DISTINCT mode, ', ') FILTER (WHERE NOT granted) AS queued,
        min(locktype) AS kind,
        min(
            CASE
                WHEN locktype IN ('transactionid', 'virtualxid') THEN NULL
                WHEN relation IS NOT NULL THEN relation::regclass::text
                WHEN locktype = 'advisory' THEN CONCAT('advisory lock ', classid::bigint << 32 | objid::bigint)
                ELSE COALESCE(pg_describe_object(classid, objid, objsubid), locktype)
            END
        ) AS object
    FROM locks
    JOIN wanted ON wanted.target = locks.target AND mode = ANY (others)
    LEFT JOIN prepared ON locks.pid IS NULL AND prepared.virtualtransaction = locks.virtualtransaction
    WHERE locks.pid IN (SELECT pid FROM blocking) OR (locks.pid IS NULL AND granted)
    GROUP BY locks.pid, gid, prepared, prepared_in
)

SELECT
    blocking.pid AS process,
    gid,
    COALESCE(application_name, '') AS program,
    CASE WHEN blocking.pid IS NULL THEN 'prepared transaction' ELSE COALESCE(backend_type, '') END AS kind,
    NULLIF(COALESCE(prepared_in, datname), current_database()) AS other_database,
    COALESCE(held, queued) AS mode,
    object,
    COALESCE(holds, true) AS holds,
    NULLIF(array_remove(pg_blocking_pids(blocking.pid), 0), '{}') AS behind,
    state,
    EXTRACT(EPOCH FROM clock_timestamp() - COALESCE(prepared, xact_start))::float AS transaction_seconds,
    EXTRACT(EPOCH FROM clock_timestamp() - COALESCE(query_start, prepared))::float AS query_seconds,
    COALESCE(query, '') AS statement,
    count(*) OVER () AS total
FROM blocking
LEFT JOIN own ON own.pid IS NOT DISTINCT FROM blocking.pid
LEFT JOIN pg_stat_activity ON pg_stat_activity.pid = blocking.pid
ORDER BY COALESCE(prepared, xact_start), blocking.pid, gid
LIMIT 10;
