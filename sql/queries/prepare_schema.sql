-- prepare_schema: sets up the transaction of GET /v1/schema. PostgreSQL is to write names, strings and times in one way,
-- whatever a role has set (as migrator/prepare_reading has it), and nobody is waited for: sizes and defaults need a lock
-- that a migration may hold up. Nothing is written.
-- Index: none, no table is read.
SELECT
    set_config('DateStyle', 'ISO', true),
    set_config('standard_conforming_strings', 'on', true),
    set_config('quote_all_identifiers', 'off', true),
    set_config('lock_timeout', '500ms', true),
    set_config('transaction_read_only', 'on', true);
