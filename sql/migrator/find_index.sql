-- find_index: an index of the current schema by its name, before a migration builds it CONCURRENTLY. An interrupted
-- build leaves an INVALID one.
-- :name  the index
SELECT
    indisvalid AND indisready AND indislive AS whole,
    pg_get_indexdef(indexrelid) AS definition
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
WHERE relname = :name
    AND relnamespace = current_schema()::regnamespace;
