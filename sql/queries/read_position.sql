-- read_position: returns how far the primary's log is written, before a read on the replica (app/database/replica.py).
-- The position includes everything that was acknowledged before. On a standby the statement fails.
-- The timeline changes with each promotion. Positions of two timelines cannot be compared.
-- Index: none, no table is read. Privileges: none.
SELECT
    pg_current_wal_flush_lsn() AS position,
    ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::integer AS timeline;
