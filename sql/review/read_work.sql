-- read_work: returns how much WAL and disk have been written so far, including the work of other sessions.
SELECT
    (pg_current_wal_insert_lsn() - '0/0')::bigint AS wal,
    pg_database_size(current_database()) AS disk;
