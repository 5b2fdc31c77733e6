-- find_pressure: returns how many sessions wait for the locks of a backfill, and the bytes that the slowest replica
-- has to replay. The backfill asks after each batch. A role without the rights of pg_read_all_stats sees replicas, but
-- not how far they are. Then is_hidden is true.
SELECT
    (
        SELECT count(DISTINCT pid)
        FROM pg_locks
        WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
    ) AS waiting,
    (
        SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint
        FROM pg_stat_replication
        WHERE state = 'streaming'
    ) AS lag_bytes,
    EXISTS (SELECT FROM pg_stat_replication WHERE state IS NULL) AS is_hidden;
