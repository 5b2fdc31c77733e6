-- find_read_only: whether PostgreSQL would reject each write of this session, for a plan: on a standby, or because
-- default_transaction_read_only is on. The migrator does not change that setting. `source` tells where it is set.
SELECT
    pg_is_in_recovery() AS is_standby,
    current_setting('default_transaction_read_only')::boolean AS is_read_only,
    (SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only') AS source;
