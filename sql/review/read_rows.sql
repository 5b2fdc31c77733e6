-- read_rows: the rows that this transaction has read in whole tables, and changed. A table that it has not touched has
-- no line. Rows that were added hold up nobody. ALTER TABLE and CREATE INDEX count here as well as SELECT.
SELECT
    relid::regclass::text AS name,
    seq_tup_read AS read,
    n_tup_upd + n_tup_del AS changed
FROM pg_stat_xact_user_tables
WHERE seq_tup_read + n_tup_upd + n_tup_del > 0
    AND schemaname NOT LIKE 'pg\_%';
