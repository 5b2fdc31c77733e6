-- find_schemas: the schema that new tables go to, and the schema that yoyo's tables are found in. The migrator rejects
-- a connection whose search_path makes the two differ.
SELECT
    current_schema() AS current,
    (
        SELECT nspname
        FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = to_regclass('_yoyo_migration')
    ) AS found;
