-- prepare_session: settings of the connection that migrates. The migrator runs it when the connection opens, and before
-- and after a migration that cannot run in a transaction. A role, a database, and a URL can have other values.
-- * If the client closes the connection or is killed, the server process notices within half a second, even during a
--   statement, and ends. So the lock lives no longer than the migrator. If the client's host or network dies, the
--   server process notices within half a minute.
-- * A statement waits only a short time for a table's lock, so that other sessions do not queue behind it for long.
-- * Time-outs that a role or a database has for services do not apply: otherwise a long VALIDATE could never finish, and
--   a pause between two attempts could end the session.
-- * A commit is on disk before PostgreSQL confirms it.
-- * Each statement sees all rows that are committed before it begins. A rollback counts the rows that it would lose
--   again when it has locked the table. With REPEATABLE READ, the count would miss the rows of its wait.
-- * A query that row security would filter is an error. Otherwise a count would miss rows, and a backfill would skip
--   them.
-- * Every name is looked up in one schema, the first of the search_path, and in pg_catalog. Another schema can have a
--   table or an index of the same name.
-- * PostgreSQL reads and writes times, strings and numbers in one way. Backslashes in strings are plain characters.
-- default_transaction_read_only stays as it is: an administrator sets it to stop all changes.
-- :lock_timeout  in milliseconds: MIGRATION_LOCK_TIMEOUT; or MIGRATION_LOCK_WAIT if the statement blocks no other
--                session while it waits, such as CREATE INDEX CONCURRENTLY
SELECT
    set_config('DateStyle', 'ISO', false),
    set_config('IntervalStyle', 'postgres', false),
    set_config('TimeZone', 'UTC', false),
    set_config('extra_float_digits', '1', false),
    set_config('standard_conforming_strings', 'on', false),
    set_config('quote_all_identifiers', 'off', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('default_transaction_deferrable', 'off', false),
    set_config('row_security', 'off', false),
    set_config('search_path', COALESCE(quote_ident(current_schema()), current_setting('search_path')), false),
    set_config('client_connection_check_interval', '500ms', false),
    set_config('tcp_keepalives_idle', '10', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '4', false),
    set_config('tcp_user_timeout', '30s', false),
    set_config('synchronous_commit', 'on', false),
    set_config('lock_timeout', :lock_timeout, false),
    set_config('statement_timeout', '0', false),
    set_config('idle_in_transaction_session_timeout', '0', false),
    set_config('idle_session_timeout', '0', false),
    (SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'); -- since 17
