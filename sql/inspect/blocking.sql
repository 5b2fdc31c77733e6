-- blocking: shows the sessions that wait for a lock, for how long, and which session blocks them, the longest wait
-- first. The session that blocks all others is in `held up by` and never in `process`.
-- For psql: psql -f sql/inspect/blocking.sql. Only a superuser and members of pg_read_all_stats see the times and
-- statements of other roles' sessions.
SELECT
    waiting.pid AS process,
    waiting.application_name AS program,
    EXTRACT(EPOCH FROM now() - waiting.query_start)::integer AS seconds,
    COALESCE(relation::regclass::text, pg_locks.locktype) AS what,
    pg_locks.mode,
    holding.pid AS held_up_by,
    holding.application_name AS its_program,
    holding.state AS its_state,
    EXTRACT(EPOCH FROM now() - holding.xact_start)::integer AS its_transaction,
    left(regexp_replace(holding.query, '\s+', ' ', 'g'), 60) AS its_statement
FROM pg_stat_activity AS waiting
CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocker (pid)
JOIN pg_stat_activity AS holding ON holding.pid = blocker.pid
LEFT JOIN pg_locks ON pg_locks.pid = waiting.pid AND NOT granted
WHERE waiting.datname = current_database()
ORDER BY waiting.query_start, waiting.pid, holding.pid;
