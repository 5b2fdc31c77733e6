-- prepare_reading: settings of a transaction that reads the schema or the history. With them PostgreSQL writes names,
-- strings, and times in the same way for every role. Names are looked up in the first schema of the search_path. A
-- query that row security would filter is an error.
SELECT
    set_config('DateStyle', 'ISO', true),
    set_config('IntervalStyle', 'postgres', true),
    set_config('TimeZone', 'UTC', true),
    set_config('extra_float_digits', '1', true),
    set_config('standard_conforming_strings', 'on', true),
    set_config('quote_all_identifiers', 'off', true),
    set_config('row_security', 'off', true),
    set_config('search_path', COALESCE(quote_ident(current_schema()), current_setting('search_path')), true);
