-- has_replayed: whether a read here sees all that the primary had written when it was asked (app/database/replica.py).
-- It does not where this is no standby any more, or of another timeline: what it has may not be what the primary has.
-- A standby knows its new timeline from its next restartpoint on, within checkpoint_timeout.
-- $1 pg_lsn   the position that read_position has told
-- $2 integer  its timeline
-- Index: none, no table is read. Privileges: none.
-- example a position that any server has: '0/0', 1
SELECT
    pg_is_in_recovery() AND timeline_id = $2 AS follows,
    pg_last_wal_replay_lsn() >= $1::pg_lsn AS replayed
FROM pg_control_checkpoint();
