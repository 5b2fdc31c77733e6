-- prepare_import: begins an import, for POST /v1/images/import: one at a time, for as long as it takes. It tells the moment
-- that its images are stored, and lifts the limit until the transaction ends.
-- While it holds its lock no DELETE removes bytes (lock_content_to_remove): they may be those of a record that is on its
-- way, and that no other transaction sees yet.
-- Index: none, no table is read.
SELECT
    clock_timestamp() AS moment,
    set_config('statement_timeout', '0', true),
    pg_advisory_xact_lock(hashtextextended('import', 0));
