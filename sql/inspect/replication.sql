-- replication: shows how far each standby and each slot is behind, and what keeps WAL on the disk. On the primary there
-- is a row for each connected standby and for each slot. On a standby there is a row for itself. An unused slot, or an
-- archive that fails, keeps WAL until the disk is full.
-- For psql: psql -f sql/inspect/replication.sql, as a superuser or a member of pg_monitor.
SELECT
    'standby ' || application_name AS what,
    CONCAT_WS(', ', state, sync_state) AS state,
    pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) AS behind,
    EXTRACT(EPOCH FROM replay_lag)::numeric(10, 3) AS seconds
FROM pg_stat_replication
WHERE NOT pg_is_in_recovery()

UNION ALL

SELECT
    'slot ' || slot_name,
    CONCAT_WS(', ', CASE WHEN active THEN 'in use' ELSE 'nobody uses it' END, wal_status),
    pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)),
    NULL
FROM pg_replication_slots
WHERE NOT pg_is_in_recovery()

UNION ALL

SELECT
    'this standby',
    COALESCE((SELECT status FROM pg_stat_wal_receiver), 'no connection to the primary'),
    pg_size_pretty(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())),
    EXTRACT(EPOCH FROM now() - pg_last_xact_replay_timestamp())::numeric(10, 3)
WHERE pg_is_in_recovery()

UNION ALL

SELECT
    'archive of the WAL',
    CASE WHEN last_failed_time > COALESCE(last_archived_time, '-infinity') THEN 'fails, see the log' ELSE 'goes on' END,
    NULL,
    EXTRACT(EPOCH FROM now() - last_archived_time)::numeric(10, 3)
FROM pg_stat_archiver
WHERE current_setting('archive_mode') <> 'off'

UNION ALL

SELECT 'WAL on the disk', count(*) || ' files', pg_size_pretty(sum(size)), NULL
FROM pg_ls_waldir()
ORDER BY what;
