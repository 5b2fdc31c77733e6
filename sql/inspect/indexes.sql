-- indexes: each index with its size and how often it was used since the figures were reset, here alone: a replica has
-- figures of its own. One that is not `valid` is what an interrupted CREATE INDEX CONCURRENTLY has left: it costs writes
-- and serves nobody, until yoyo apply builds it anew.
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
