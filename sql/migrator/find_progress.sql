-- find_progress: which sessions a migrator's server process waits for, and how far its build of an index is. The
-- migrator asks from another connection while a statement takes long.
-- :process  pg_backend_pid() of the migrator
SELECT
    (
        SELECT string_agg(
            CONCAT(
                'process ', pid,
                ' (', COALESCE(NULLIF(application_name, ''), 'no application_name'),
                ')',
                ', its transaction open for ' || EXTRACT(EPOCH FROM now() - xact_start)::integer || ' s',
                ', its query for ' || EXTRACT(EPOCH FROM now() - query_start)::integer || ' s'
            ),
            ', ' ORDER BY xact_start
        )
        FROM pg_stat_activity
        WHERE pid = ANY (pg_blocking_pids(:process))
    ) AS blockers,
    (
        SELECT phase || CASE WHEN blocks_total > 0 THEN CONCAT(', block ', blocks_done, ' of ', blocks_total) ELSE '' END
        FROM pg_stat_progress_create_index
        WHERE pid = :process
    ) AS progress;
