-- indexes: shows each index with its size, and how often this server used it since the figures were reset. A replica
-- has its own figures. If an index is not `valid`, CREATE INDEX CONCURRENTLY was interrupted. Writes still update it,
-- but no query uses it, until `yoyo apply` builds it again.
-- For psql: psql -f sql/inspect/indexes.sql
SELECT
    indrelid::regclass AS of_table,
    indexrelid::regclass AS index,
    indisvalid AND indisready AS valid,
    indisunique AS is_unique,
    idx_scan AS scans,
    idx_tup_read AS entries_read,
    pg_size_pretty(pg_relation_size(indexrelid)) AS size,
    (SELECT stats_reset::timestamp(0) FROM pg_stat_database WHERE datname = current_database()) AS since
FROM pg_index
JOIN pg_stat_user_indexes USING (indexrelid)
WHERE schemaname = current_schema()
ORDER BY indisvalid AND indisready, pg_relation_size(indexrelid) DESC, indexrelid;
