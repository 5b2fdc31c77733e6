-- schema: what the table images is made of, a line for each thing, in PostgreSQL's own words.
-- For psql (psql -f sql/inspect/schema.sql) and for the tests, which hold the schema before and after a rollback to be
-- the same. The order of the columns is not looked at: no query of ours stands on it.
SELECT object || ': ' || definition AS line
FROM (
    SELECT
        'table images' AS object,
        CONCAT_WS(', ', 'kind ' || relkind::text, 'persistence ' || relpersistence::text, obj_description(oid, 'pg_class'))
            AS definition
    FROM pg_class
    WHERE oid = to_regclass('images')

    UNION ALL

    SELECT
        'column ' || attname,
        CONCAT_WS(
            ', ',
            format_type(atttypid, atttypmod),
            CASE WHEN attnotnull THEN 'not null' END,
            'default ' || pg_get_expr(adbin, adrelid),
            col_description(attrelid, attnum)
        )
    FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = to_regclass('images') AND attnum > 0 AND NOT attisdropped

    UNION ALL

    -- Since PostgreSQL 18 NOT NULL is a constraint too; the columns above tell it on every version.
    SELECT
        'constraint ' || conname,
        CONCAT_WS(', ', pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint'))
    FROM pg_constraint
    WHERE conrelid = to_regclass('images') AND contype <> 'n'

    UNION ALL

    SELECT
        'index ' || relname,
        CONCAT_WS(
            ', ',
            pg_get_indexdef(indexrelid),
            CASE WHEN NOT indisvalid THEN 'INVALID' END,
            obj_description(indexrelid, 'pg_class')
        )
    FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = to_regclass('images')

    UNION ALL

    SELECT
        'function ' || oid::regprocedure::text,
        CONCAT_WS(', ', pg_get_functiondef(oid), obj_description(oid, 'pg_proc'))
    FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace
) AS things
ORDER BY object;
