-- read_work: how much has been written so far. On a server with other work, theirs is in it.
SELECT
    (pg_current_wal_insert_lsn() - '0/0')::bigint AS wal,
    pg_database_size(current_database()) AS disk;
