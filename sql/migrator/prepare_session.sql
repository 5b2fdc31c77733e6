-- prepare_session: what holds for the one connection that migrates; called after it is opened, and around a migration
-- that cannot run in a transaction.
-- A server process whose client has closed the connection, or was killed, notices within half a second, even in the
-- middle of a statement, and ends: so the lock lives no longer than the migrator. One whose client's host or network has
-- died notices within half a minute. A statement queues for a table's lock for a short time only, so that traffic does
-- not pile up behind it. Time-outs that a role or a database has for its services are not for migrations: a long
-- VALIDATE would never end. A commit is on disk when it is said, and a string is read as it is written, whatever a role
-- has set.
-- :lock_timeout  in milliseconds: MIGRATION_LOCK_TIMEOUT; MIGRATION_LOCK_WAIT where the statement holds up nobody while
--                it waits, as CREATE INDEX CONCURRENTLY
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
