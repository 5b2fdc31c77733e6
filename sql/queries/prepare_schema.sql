-- prepare_schema: sets up the transaction of GET /v1/schema. PostgreSQL prints names, strings and times in one format,
-- independent of the role's settings, as in migrator/prepare_reading. The transaction does not wait for long: sizes and
-- defaults need a lock that a migration may hold. It is read-only.
-- Index: none, no table is read.
SELECT
    set_config('DateStyle', 'ISO', true),
    set_config('standard_conforming_strings', 'on', true),
    set_config('quote_all_identifiers', 'off', true),
    set_config('lock_timeout', '500ms', true),
    set_config('transaction_read_only', 'on', true);
