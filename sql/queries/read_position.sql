-- read_position: how far the primary's log is written, before a read on the replica (app/database/replica.py): whatever was
-- acknowledged before is in it. On a standby it fails.
-- The timeline changes with each promotion: positions of two timelines do not compare.
-- Index: none, no table is read. Privileges: none.
SELECT
    pg_current_wal_flush_lsn() AS position,
    ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::integer AS timeline;
