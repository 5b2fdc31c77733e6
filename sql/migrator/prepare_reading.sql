-- prepare_reading: for a transaction that reads the schema or the history: PostgreSQL is to write names, strings and
-- times in one way, whatever a role has set.
SELECT
    set_config('DateStyle', 'ISO', true),
    set_config('standard_conforming_strings', 'on', true),
    set_config('quote_all_identifiers', 'off', true);
