-- find_index: an index by its name, wherever the search path finds it, before a migration builds it CONCURRENTLY. An
-- interrupted build leaves an INVALID one.
-- :name  the index
SELECT
    indisvalid AND indisready AND indislive AS whole,
    pg_get_indexdef(indexrelid) AS definition
FROM pg_index
WHERE indexrelid = to_regclass(:name);
