-- find_schemas: the schema that new tables go to, and a table of this project that the search_path finds in another
-- schema, with that schema. The migrator rejects such a connection. If the search_path leads to no schema for new
-- tables, the row has only NULL.
-- :tables  the project's own tables that show in which schema it is
SELECT current, found, table_name
FROM (
    SELECT 0 AS number, NULL AS current, NULL AS found, NULL AS table_name
    WHERE COALESCE(current_schema(), 'pg_catalog') = 'pg_catalog'
        AND to_regclass('_yoyo_migration') IS NULL
    UNION ALL
    SELECT number, current_schema(), nspname, relname
    FROM unnest('{_yoyo_migration,_yoyo_ledger,yoyo_lock}'::text[] || :tables::text[]) WITH ORDINALITY AS sought (name, number)
    JOIN pg_class ON pg_class.oid = to_regclass(name)
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname <> current_schema()
) AS faults
ORDER BY number
LIMIT 1;
