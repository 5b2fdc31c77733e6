-- find_installations: the tables of this project and of yoyo's history in each schema of the database, also in those that
-- the search_path does not name. The migrator asks before it makes the tables of a new installation. Another one may be
-- in a schema that the search_path does not lead to.
-- :tables  the project's own tables
SELECT
    nspname AS schema,
    relname AS table,
    current_schema() AS here,
    has_schema_privilege(pg_namespace.oid, 'USAGE') AND has_table_privilege(pg_class.oid, 'SELECT') AS can_read,
    (SELECT source = 'client' FROM pg_settings WHERE name = 'search_path') AS is_chosen,
    ARRAY(
        SELECT attname::text
        FROM pg_attribute
        WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    ) AS columns
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relname = ANY ('{_yoyo_migration}'::text[] || :tables::text[])
    AND relkind IN ('r', 'p')
    AND NOT relispartition
    AND nspname NOT LIKE 'pg\_%'
ORDER BY nspname, relname;
