-- read_all_rows: returns, of each table, how many rows all transactions so far have read by full scans, changed,
-- and added. The session has flushed its counters.
SELECT
    relid::bigint AS oid,
    seq_tup_read AS read,
    n_tup_upd + n_tup_del AS changed,
    n_tup_ins AS added
FROM pg_stat_user_tables;
