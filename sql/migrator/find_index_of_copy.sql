-- find_index_of_copy: the definition of the index of a table that this transaction has created, in PostgreSQL's words.
-- :name  name of the table, without quotes. No other session has a table of this name.
SELECT pg_get_indexdef(indexrelid) AS definition
FROM pg_index
JOIN pg_class ON pg_class.oid = indrelid
WHERE relname = :name AND relkind = 'r';
