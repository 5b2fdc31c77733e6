-- find_index: an index by its name, in the schema that new tables go to. The migrator asks before it builds an index
-- CONCURRENTLY, because an interrupted build leaves an INVALID index.
-- :name  name of the index
SELECT
    indisvalid AND indisready AND indislive AS whole,
    pg_get_indexdef(indexrelid) AS definition
FROM pg_index
WHERE indexrelid = to_regclass(quote_ident(current_schema()) || '.' || :name);
