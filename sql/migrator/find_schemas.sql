-- find_schemas: the schema that new tables go to, and a table of this project that the search_path finds in another
-- schema, with that schema. The migrator rejects such a connection.
-- :tables  the project's own tables that show in which schema it is
SELECT
    current_schema() AS current,
    nspname AS found,
    relname AS table_name
FROM unnest('{_yoyo_migration,_yoyo_ledger,yoyo_lock}'::text[] || :tables::text[]) WITH ORDINALITY AS sought (name, number)
JOIN pg_class ON pg_class.oid = to_regclass(name)
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname <> current_schema()
ORDER BY number
LIMIT 1;
