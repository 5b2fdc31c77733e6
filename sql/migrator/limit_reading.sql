-- limit_reading: limits of a transaction that only looks. It waits half a second for the lock of a table or a catalog,
-- and queries take ten seconds at most. A plan, a list of differences and `schema status` must answer also while a
-- migration holds its locks. They say which part they could not read.
SELECT
    set_config('lock_timeout', '500ms', true),
    set_config('statement_timeout', '10s', true);
