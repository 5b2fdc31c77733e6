-- find_stale_tables: finds the tables that need VACUUM (ANALYZE) before plans are compared: their rows or files have
-- changed, or a new index computes values that have no statistics. Autovacuum would soon do it on a live database.
-- :names  tables that the review saw change, as read_rows and find_relations name them
SELECT quote_ident(schemaname) || '.' || quote_ident(relname) AS name
FROM pg_stat_user_tables
WHERE relid::regclass::text = ANY (:names)
    OR n_mod_since_analyze + n_ins_since_vacuum + n_dead_tup > 0
ORDER BY relid;
