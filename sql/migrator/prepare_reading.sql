-- prepare_reading: settings of a transaction that reads the schema or the history. With them PostgreSQL writes names,
-- strings, and times in the same way for every role.
SELECT
    set_config('DateStyle', 'ISO', true),
    set_config('standard_conforming_strings', 'on', true),
    set_config('quote_all_identifiers', 'off', true);
