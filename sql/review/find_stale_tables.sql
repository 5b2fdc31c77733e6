-- find_stale_tables: finds the tables that need VACUUM (ANALYZE) before plans are compared. Autovacuum would soon do it
-- on a live database.
-- :names  the tables that a migration has changed, as read_rows and find_relations name them. NULL: each table with
--         changes since its last VACUUM or ANALYZE.
-- If writes that were rolled back have left pages in an empty table, it is always among them: its plans would differ.
-- So are a new table with rows, and a new partitioned table.
SELECT quote_ident(schemaname) || '.' || quote_ident(pg_stat_user_tables.relname) AS name
FROM pg_stat_user_tables
JOIN pg_class ON oid = relid
WHERE relid::regclass::text = ANY (:names::text[])
    OR (:names::text[] IS NULL AND n_mod_since_analyze + n_ins_since_vacuum + n_dead_tup > 0)
    OR (reltuples = 0 AND pg_relation_size(relid) > 0)
    OR (reltuples < 0 AND (n_live_tup > 0 OR relkind = 'p'))
ORDER BY relid;
