-- read_table_states: returns what changes if a row of a table may have changed. That is the OID, the file, the columns,
-- and how many rows all transactions so far have inserted, updated and deleted.
-- The session has flushed its counters. A partitioned table has no rows of its own. A virtual column can change without
-- the rows.
SELECT
    pg_class.oid::regclass::text AS name,
    pg_class.oid::bigint AS oid,
    pg_relation_filenode(pg_class.oid)::bigint AS file,
    ARRAY(
        SELECT attnum
        FROM pg_attribute
        WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum
    ) AS columns,
    n_tup_ins AS inserted,
    n_tup_upd AS updated,
    n_tup_del AS deleted
FROM pg_class
JOIN pg_stat_user_tables ON relid = pg_class.oid
WHERE relkind IN ('r', 'm')
    AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attgenerated = 'v');
