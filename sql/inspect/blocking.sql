-- blocking: shows the sessions that wait for a lock, for how long, and each session or prepared transaction that blocks
-- them, the longest wait first. The session that blocks all others is in `held_up_by` and never in `process`. `its_lock`
-- is the lock that it holds, or, after `queued:`, the lock that it waits for in front of `process`. A prepared
-- transaction has no process: `its_statement` is the statement that ends it. It must run in `its_database`.
-- An autovacuum gives way by itself, except if its statement says `to prevent wraparound`: let that one finish.
-- For psql: psql -f sql/inspect/blocking.sql. Only a superuser and members of pg_read_all_stats see the times and
-- statements of other roles' sessions.
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
        relation,
        transactionid,
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

wanted AS MATERIALIZED (
    SELECT
        COALESCE(leader_pid, pid) AS waiting,
        locktype,
        relation,
        mode,
        target,
        others
    FROM locks
    JOIN conflicting USING (mode)
    JOIN pg_stat_activity USING (pid)
    WHERE NOT granted
),

blocking AS MATERIALIZED (
    SELECT DISTINCT
        wanted.waiting,
        NULLIF(blocker.pid, 0) AS pid
    FROM (SELECT DISTINCT waiting FROM wanted) AS wanted
    CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting)) AS blocker (pid)
)

SELECT
    waiting.pid AS process,
    waiting.application_name AS program,
    EXTRACT(EPOCH FROM clock_timestamp() - waiting.query_start)::integer AS seconds,
    COALESCE(relation::regclass::text, wanted.locktype) AS what,
    wanted.mode,
    blocking.pid AS held_up_by,
    COALESCE(NULLIF(holding.application_name, ''), holding.backend_type) AS its_program,
    COALESCE(held, 'queued: ' || queued) AS its_lock,
    COALESCE(prepared_in, holding.datname) AS its_database,
    COALESCE(holding.state, CASE WHEN gid IS NOT NULL THEN 'prepared' END) AS its_state,
    EXTRACT(EPOCH FROM clock_timestamp() - COALESCE(prepared, holding.xact_start))::integer AS its_transaction,
    COALESCE(
        'ROLLBACK PREPARED ' || quote_literal(gid), left(regexp_replace(holding.query, '\s+', ' ', 'g'), 80)
    ) AS its_statement
FROM blocking
JOIN wanted USING (waiting)
JOIN pg_stat_activity AS waiting ON waiting.pid = blocking.waiting
LEFT JOIN LATERAL (
    SELECT
        gid,
        prepared,
        prepared_in,
        string_agg(DISTINCT locks.mode, ', ') FILTER (WHERE granted) AS held,
        string_agg(DISTINCT locks.mode, ', ') FILTER (WHERE NOT granted) AS queued
    FROM locks
    LEFT JOIN prepared ON locks.pid IS NULL AND prepared.virtualtransaction = locks.virtualtransaction
    WHERE locks.target = wanted.target
        AND locks.mode = ANY (others)
        AND locks.pid IS NOT DISTINCT FROM blocking.pid
        AND (locks.pid IS NOT NULL OR granted)
    GROUP BY gid, prepared, prepared_in
) AS own ON true
LEFT JOIN pg_stat_activity AS holding ON holding.pid = blocking.pid
WHERE waiting.datname = current_database()
ORDER BY waiting.query_start, waiting.pid, blocking.pid;
