-- find_index: an index by its name, as the search path finds it. The migrator asks before it builds an index
-- CONCURRENTLY, because an interrupted build leaves an INVALID index.
-- :name  name of the index
SELECT
    indisvalid AND indisready AND indislive AS whole,
    pg_get_indexdef(indexrelid) AS definition
FROM pg_index
WHERE indexrelid = to_regclass(:name);
