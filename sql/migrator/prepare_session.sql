-- prepare_session: settings of the connection that migrates. The migrator runs it when the connection opens, before each
-- migration, and before it records one: a migration can change settings, too. A role, a database, and a URL can have
-- other values. A test compares this list with pg_settings of each PostgreSQL version, and sets each to a hostile value.
-- * Every name is looked up in one schema, the first of the search_path, and in pg_catalog. Another schema can have a
--   table or an index of the same name. Temporary tables come last.
-- * PostgreSQL reads and writes times, numbers, strings and XML in one way. Backslashes in strings are plain characters.
--   `= NULL` is not IS NULL. Bodies of functions are checked. A search by a GIN index finds all rows.
-- * New tables are heap tables in the database's own tablespace.
-- * Triggers and foreign keys work: session_replication_role is origin. Only a superuser can have set another value.
-- * An error does not end the session.
-- * If the client closes the connection or is killed, the server process notices within half a second, even during a
--   statement, and ends. So the lock lives no longer than the migrator. If the client's host or network dies, the
--   server process notices within half a minute.
-- * A statement waits only a short time for a table's lock, so that other sessions do not queue behind it for long.
-- * Time-outs that a role or a database has for services do not apply. Otherwise a long VALIDATE could never finish, and
--   a pause between two attempts could end the session.
-- * A commit is on disk before PostgreSQL confirms it.
-- * Each statement sees all rows that are committed before it begins. A rollback counts the rows that it would lose
--   again when it has locked the table. With REPEATABLE READ, the count would miss the rows of its wait.
-- * A query that row security would filter is an error. Otherwise a count would miss rows, and a backfill would skip
--   them.
-- default_transaction_read_only stays as it is: an administrator sets it to stop all changes.
-- :search_path   its result when the connection opened, null before.
-- :lock_timeout  MIGRATION_LOCK_TIMEOUT in milliseconds. MIGRATION_LOCK_WAIT if the statement blocks no other session
--                while it waits, such as CREATE INDEX CONCURRENTLY.
SELECT
    set_config('quote_all_identifiers', 'off', false),
    set_config(
        'search_path',
        COALESCE(:search_path, quote_ident(current_schema()) || ', pg_temp', current_setting('search_path')),
        false
    ) AS search_path,
    set_config('DateStyle', 'ISO, MDY', false),
    set_config('IntervalStyle', 'postgres', false),
    set_config('TimeZone', 'UTC', false),
    set_config('timezone_abbreviations', 'Default', false),
    set_config('client_encoding', 'UTF8', false),
    set_config('lc_monetary', 'C', false),
    set_config('lc_numeric', 'C', false),
    set_config('lc_time', 'C', false),
    set_config('default_text_search_config', 'pg_catalog.simple', false),
    set_config('extra_float_digits', '1', false),
    set_config('bytea_output', 'hex', false),
    set_config('xmlbinary', 'base64', false),
    set_config('xmloption', 'content', false),
    set_config('standard_conforming_strings', 'on', false),
    set_config('backslash_quote', 'safe_encoding', false),
    set_config('transform_null_equals', 'off', false),
    set_config('array_nulls', 'on', false),
    set_config('gin_fuzzy_search_limit', '0', false),
    set_config('check_function_bodies', 'on', false),
    set_config('default_table_access_method', 'heap', false),
    set_config('default_tablespace', '', false),
    set_config('client_min_messages', 'notice', false),
    set_config('exit_on_error', 'off', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('default_transaction_deferrable', 'off', false),
    set_config('row_security', 'off', false),
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
    CASE
        WHEN current_setting('session_replication_role') <> 'origin'
            THEN set_config('session_replication_role', 'origin', false)
    END,
    -- since PostgreSQL 16
    CASE WHEN current_setting('createrole_self_grant', true) <> '' THEN set_config('createrole_self_grant', '', false) END,
    CASE
        WHEN current_setting('icu_validation_level', true) <> 'warning'
            THEN set_config('icu_validation_level', 'warning', false)
    END,
    -- since PostgreSQL 17
    CASE WHEN current_setting('transaction_timeout', true) <> '0' THEN set_config('transaction_timeout', '0', false) END,
    CASE
        WHEN current_setting('restrict_nonsystem_relation_kind', true) <> ''
            THEN set_config('restrict_nonsystem_relation_kind', '', false)
    END;
