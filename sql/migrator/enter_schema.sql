-- enter_schema: lets the next statements of the transaction find their tables in one schema.
-- :schema  its name, without quotes
SELECT set_config('search_path', quote_ident(:schema) || ', pg_temp', true);
