-- read_all_rows: returns, of each table, how many rows all transactions so far have read by full scans, and changed. The
-- session has flushed its counters. Added rows do not count, because they block no other session.
SELECT
    relid::regclass::text AS name,
    seq_tup_read AS read,
    n_tup_upd + n_tup_del AS changed
FROM pg_stat_user_tables;
