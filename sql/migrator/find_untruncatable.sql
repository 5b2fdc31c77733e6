-- find_untruncatable: the tables that TRUNCATE ... CASCADE would reach by foreign keys, and that this role may not
-- truncate. The names are those of the foreign keys and tables on the way: if one is gone, so is the way.
-- :name  the table, quoted as in SQL, and perhaps with its schema
WITH RECURSIVE reached (oid, names, seen) AS (
    SELECT to_regclass(:name)::oid, '{}'::name[], ARRAY[to_regclass(:name)::oid]
    UNION ALL
    SELECT conrelid, names || ARRAY[conname, relname], seen || conrelid
    FROM reached
    JOIN pg_constraint ON contype = 'f' AND confrelid = reached.oid
    JOIN pg_class ON pg_class.oid = conrelid
    WHERE conrelid <> ALL (seen)
)

SELECT
    pg_describe_object('pg_class'::regclass, reached.oid, 0) AS object,
    pg_get_userbyid(relowner)::text AS owner,
    names::text[] AS names
FROM reached
JOIN pg_class USING (oid)
WHERE names <> '{}' AND NOT has_table_privilege(reached.oid, 'TRUNCATE')
ORDER BY object;
