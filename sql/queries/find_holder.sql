-- find_holder: who has the lock that take_lock wants, since when, and the statement it is at, for the migrator, for
-- `images schema status` and for GET /v1/schema. No row where it was free again by then.
-- Of another role's session, time and statement are for who has pg_read_all_stats.
-- Index: none; a row for each lock.
SELECT
    application_name,
    to_char(backend_start AT TIME ZONE 'UTC', 'HH24:MI:SS') AS since,
    query
FROM pg_locks
JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory'
    AND granted
    AND objsubid = 1
    AND (classid::bigint << 32 | objid::bigint) = hashtextextended('yoyo_lock', 0)
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database());
