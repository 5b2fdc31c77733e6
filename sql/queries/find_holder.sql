-- find_holder: finds the holder of the lock that take_lock acquires, its start time, and its current statement. It is
-- for the migrator, `schema status`, and GET /v1/schema. It returns no row if the lock is free.
-- Only members of pg_read_all_stats see time and statement of another role's session.
-- $1 text: text of the lock, `lock_key` of the project
-- Index: none, one row for each lock.
-- example free: 'yoyo_lock'
SELECT
    application_name,
    to_char(backend_start AT TIME ZONE 'UTC', 'HH24:MI:SS') AS since,
    query
FROM pg_locks
JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory'
    AND granted
    AND objsubid = 1
    AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0)
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database());
