-- sizes: shows what uses the disk of this database: tables with their indexes, and dead rows that VACUUM has not
-- removed yet. For the WAL, which may be larger than all of them, see replication.sql.
-- For psql: psql -f sql/inspect/sizes.sql
SELECT
    pg_class.oid::regclass::text AS what,
    pg_size_pretty(pg_total_relation_size(pg_class.oid)) AS total,
    pg_size_pretty(pg_indexes_size(pg_class.oid)) AS of_it_indexes,
    n_live_tup AS live_rows,
    n_dead_tup AS dead_rows,
    GREATEST(last_vacuum, last_autovacuum)::timestamp(0) AS vacuumed,
    pg_total_relation_size(pg_class.oid) AS bytes
FROM pg_class
LEFT JOIN pg_stat_user_tables ON relid = pg_class.oid
WHERE relkind IN ('r', 'm')
    AND relnamespace = quote_ident(current_schema())::regnamespace

UNION ALL

SELECT 'database ' || current_database(), pg_size_pretty(size), NULL, NULL, NULL, NULL, size
FROM pg_database_size(current_database()) AS size
ORDER BY bytes DESC, what;
