-- prepare_session: what holds for the one connection that migrates; called after it is opened, and again after a
-- migration that had wait_for_transactions.
-- A server process whose client has closed the connection, or was killed, notices within a second, even in the middle of
-- a statement, and ends: so the lock lives no longer than the migrator. A statement queues for a table's lock for a short
-- time only, so that traffic does not pile up behind it. Time-outs that a role or a database has for its services are
-- not for migrations: a long VALIDATE would never end.
-- :lock_timeout  MIGRATION_LOCK_TIMEOUT, in milliseconds
SELECT
    set_config('client_connection_check_interval', '1s', false),
    set_config('lock_timeout', :lock_timeout, false),
    set_config('statement_timeout', '0', false),
    set_config('idle_in_transaction_session_timeout', '0', false),
    (SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'); -- since 17
