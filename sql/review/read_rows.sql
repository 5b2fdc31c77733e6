-- read_rows: returns how many rows this transaction has read by full scans, changed, and
-- added. A table that it has not used has no row. ALTER TABLE and CREATE INDEX count like SELECT.
SELECT
    relid::bigint AS oid,
    seq_tup_read AS read,
    n_tup_upd + n_tup_del AS changed,
    n_tup_ins AS added
FROM pg_stat_xact_user_tables
WHERE seq_tup_read + n_tup_upd + n_tup_del + n_tup_ins > 0
    AND schemaname NOT LIKE 'pg\_%';
