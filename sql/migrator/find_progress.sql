-- find_progress: whether a migrator's server process, or one of its parallel workers, waits for a lock, and how far its
-- build of an index is. The migrator asks from another connection, about once a second. It asks find_blockers only
-- during a wait, because pg_blocking_pids() stops PostgreSQL's lock manager for a moment.
-- :process  pg_backend_pid() of the migrator
SELECT
    EXISTS (
        SELECT
        FROM pg_stat_activity
        WHERE :process IN (pid, leader_pid) AND wait_event_type = 'Lock'
    ) AS is_waiting,
    (
        SELECT phase || CASE WHEN blocks_total > 0 THEN CONCAT(', block ', blocks_done, ' of ', blocks_total) ELSE '' END
        FROM pg_stat_progress_create_index
        WHERE pid = :process
    ) AS progress;
