-- find_unusable_column: a column on which this role lacks a right. The answer has no row if there is none, or no such
-- table.
-- :name     the table, quoted as in SQL, and perhaps with its schema
-- :right    SELECT, INSERT, UPDATE or REFERENCES
-- :columns  names of columns. Others than those of the table do not count. null: all of the table.
-- :number   how many of them count, in their order in the table. null: all
SELECT
    pg_describe_object('pg_class'::regclass, attrelid, attnum) AS object,
    pg_get_userbyid(relowner)::text AS owner
FROM (
    SELECT
        attrelid,
        attnum,
        relowner,
        row_number() OVER (ORDER BY attnum) AS place
    FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    WHERE pg_class.oid = to_regclass(:name)
        AND relkind IN ('r', 'p', 'v', 'm', 'f')
        AND (:columns::text[] IS NULL OR attname = ANY (:columns::text[]))
) AS named
WHERE NOT has_column_privilege(attrelid, attnum, :right)
    AND (:number::integer IS NULL OR place <= :number::integer)
ORDER BY attnum
LIMIT 1;
