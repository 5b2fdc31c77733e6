-- prepare_import: begins an import, for POST /v1/images/import. Only one runs at a time, for as long as it takes. It
-- returns the time that the images get as created_at, and lifts the time limits until the transaction ends. While it
-- holds its lock, no DELETE removes bytes (lock_content_to_remove). They may belong to a record of the import that
-- other transactions do not see yet.
-- Index: none, no table is read.
SELECT
    clock_timestamp() AS moment,
    set_config('statement_timeout', '0', true),
    set_config('idle_in_transaction_session_timeout', '0', true),
    -- since PostgreSQL 17
    CASE WHEN current_setting('transaction_timeout', true) <> '0' THEN set_config('transaction_timeout', '0', true) END,
    pg_advisory_xact_lock(hashtextextended('import', 0));
