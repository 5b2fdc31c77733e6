-- has_replayed: returns whether a read on this replica sees everything that the primary had written when it was asked
-- (app/database/replica.py). It returns false if this server is no longer a standby, or has another timeline: its data
-- may then differ from the primary's. A standby knows its new timeline after its next restartpoint, within
-- checkpoint_timeout.
-- $1 pg_lsn   the position that read_position has returned
-- $2 integer  its timeline
-- Index: none, no table is read. Privileges: none.
-- example a position that any server has: '0/0', 1
SELECT
    pg_is_in_recovery() AND timeline_id = $2 AS follows,
    pg_last_wal_replay_lsn() >= $1::pg_lsn AS replayed
FROM pg_control_checkpoint();
