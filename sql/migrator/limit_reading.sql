-- limit_reading: limits of a transaction that only looks. It waits half a second for the lock of a table or a catalog,
-- and queries take ten seconds at most. A plan, a list of differences and `schema status` must answer also while a
-- migration holds its locks. They say which part they could not read. Time-outs that a role or a database has for
-- services do not apply.
SELECT
    set_config('statement_timeout', '10s', true),
    set_config('lock_timeout', '500ms', true),
    set_config('idle_in_transaction_session_timeout', '0', true),
    -- since PostgreSQL 17
    CASE WHEN current_setting('transaction_timeout', true) <> '0' THEN set_config('transaction_timeout', '0', true) END;
