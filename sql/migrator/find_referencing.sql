-- find_referencing: the foreign keys to tables from other tables, so that PostgreSQL rejects a TRUNCATE without CASCADE.
-- Returns each in words, its name, and its table.
-- :names  the tables, as in SQL, perhaps with their schemas
WITH RECURSIVE emptied (oid) AS (
    SELECT to_regclass(name)::oid
    FROM unnest(:names::text[]) AS name
    UNION
    SELECT inhrelid
    FROM emptied
    JOIN pg_inherits ON inhparent = emptied.oid
)

SELECT
    pg_describe_object('pg_constraint'::regclass, pg_constraint.oid, 0) AS object,
    conname::text AS name,
    relname::text AS of_table
FROM pg_constraint
JOIN emptied ON confrelid = emptied.oid
JOIN pg_class ON pg_class.oid = conrelid
WHERE contype = 'f'
    AND conparentid = 0
    AND conrelid NOT IN (SELECT emptied.oid FROM emptied WHERE emptied.oid IS NOT NULL)
ORDER BY object;
