-- prepare_session: settings of the connection that migrates. The migrator runs it when the connection opens, and before
-- and after a migration that cannot run in a transaction.
-- * If the client closes the connection or is killed, the server process notices within half a second, even during a
--   statement, and ends. So the lock lives no longer than the migrator. If the client's host or network dies, the
--   server process notices within half a minute.
-- * A statement waits only a short time for a table's lock, so that other sessions do not queue behind it for long.
-- * Time-outs that a role or a database has for services do not apply: otherwise a long VALIDATE could never finish.
-- * A commit is on disk before PostgreSQL confirms it, and backslashes in strings are plain characters.
-- :lock_timeout  in milliseconds: MIGRATION_LOCK_TIMEOUT; or MIGRATION_LOCK_WAIT if the statement blocks no other
--                session while it waits, such as CREATE INDEX CONCURRENTLY
SELECT
    set_config('DateStyle', 'ISO', false),
    set_config('standard_conforming_strings', 'on', false),
    set_config('client_connection_check_interval', '500ms', false),
    set_config('tcp_keepalives_idle', '10', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '4', false),
    set_config('tcp_user_timeout', '30s', false),
    set_config('synchronous_commit', 'on', false),
    set_config('lock_timeout', :lock_timeout, false),
    set_config('statement_timeout', '0', false),
    set_config('idle_in_transaction_session_timeout', '0', false),
    (SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'); -- since 17
