-- find_name_conflict: the object that has a name already, so that PostgreSQL would reject another one. The migrator
-- asks before it begins, and so does a plan. Returns the object in words, and the names of its table, and of the
-- partitioned tables above it.
-- :kind  relation or index (tables, indexes, views, sequences and types share their names in a schema), column,
--        constraint, trigger, policy, function, extension, schema, or statistics
-- :of    relation or statistics: its schema, quoted as in SQL; null: that of new tables. Others: the table, quoted as in
--        SQL and perhaps with its schema, which need not exist yet. An index comes into the schema of its table.
-- :name  the name, without quotes. Of a function: as SQL, with the types of its parameters.
WITH place AS (
    SELECT
        to_regclass(:of) AS table_oid,
        CASE
            WHEN :kind IN ('relation', 'statistics') THEN to_regnamespace(COALESCE(:of, quote_ident(current_schema())))
            WHEN :kind = 'index' THEN COALESCE(
                (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(:of)),
                to_regnamespace(quote_ident(
                    CASE WHEN cardinality(parse_ident(:of)) > 1 THEN (parse_ident(:of))[1] ELSE current_schema() END
                ))
            )
        END AS schema_oid
),

found (classid, objid, objsubid, table_oid) AS (
    SELECT 'pg_class'::regclass, oid, 0, COALESCE(indrelid, refobjid, 0)
    FROM place, pg_class
    LEFT JOIN pg_index ON indexrelid = pg_class.oid
    LEFT JOIN pg_depend  -- the table of a sequence
        ON relkind = 'S' AND classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype IN ('a', 'i')
    WHERE :kind <> 'statistics' AND relnamespace = schema_oid AND relname = :name
    UNION ALL
    -- The type of a table's row comes with the table. PostgreSQL renames the type of an array if its name is needed.
    SELECT 'pg_type'::regclass, oid, 0, 0
    FROM pg_type, place
    WHERE :kind = 'relation'
        AND typnamespace = schema_oid
        AND typname = :name
        AND typrelid = 0
        AND NOT EXISTS (SELECT FROM pg_type AS element WHERE element.typarray = pg_type.oid)
    UNION ALL
    SELECT 'pg_class'::regclass, attrelid, attnum, attrelid
    FROM pg_attribute, place
    WHERE :kind = 'column' AND attrelid = table_oid AND attname = :name AND NOT attisdropped
    UNION ALL
    SELECT 'pg_constraint'::regclass, oid, 0, conrelid
    FROM pg_constraint, place
    WHERE :kind = 'constraint' AND conrelid = table_oid AND conname = :name
    UNION ALL
    SELECT 'pg_trigger'::regclass, oid, 0, tgrelid
    FROM pg_trigger, place
    WHERE :kind = 'trigger' AND tgrelid = table_oid AND tgname = :name
    UNION ALL
    SELECT 'pg_policy'::regclass, oid, 0, polrelid
    FROM pg_policy, place
    WHERE :kind = 'policy' AND polrelid = table_oid AND polname = :name
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass, oid, 0, stxrelid
    FROM pg_statistic_ext, place
    WHERE :kind = 'statistics' AND stxnamespace = schema_oid AND stxname = :name
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, 0, 0
    FROM pg_proc
    WHERE oid = CASE WHEN :kind = 'function' THEN to_regprocedure(:name) END
    UNION ALL
    SELECT 'pg_extension'::regclass, oid, 0, 0
    FROM pg_extension
    WHERE :kind = 'extension' AND extname = :name
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid, 0, 0
    FROM pg_namespace
    WHERE :kind = 'schema' AND nspname = :name
)

SELECT
    pg_describe_object(classid, objid, objsubid) AS object,
    ARRAY(
        SELECT relname::text
        FROM pg_class
        WHERE oid = table_oid OR oid IN (
            SELECT relid FROM pg_partition_ancestors(CASE WHEN table_oid = 0 THEN objid ELSE table_oid END)
        )
    ) AS of_tables
FROM found
ORDER BY classid
LIMIT 1;
