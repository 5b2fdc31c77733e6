-- find_dependents: the objects for which PostgreSQL rejects ALTER COLUMN ... TYPE on columns of a table. The migrator asks
-- before it applies a migration with such a statement. The answer has no row if the table does not exist.
-- :table    the table, quoted as in SQL, and perhaps with its schema
-- :columns  names of the columns, as an array
WITH changed AS (
    SELECT attrelid, attnum, attinhcount > 0 AS is_inherited
    FROM pg_attribute
    WHERE attrelid = to_regclass(:table) AND attname = ANY (:columns::text[]) AND NOT attisdropped
),

dependent AS (
    SELECT DISTINCT classid, objid, objsubid
    FROM pg_depend
    JOIN changed ON refobjid = attrelid AND refobjsubid = attnum
    WHERE refclassid = 'pg_class'::regclass
)

SELECT
    relname::text AS name,
    CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'rule ' || rulename || ' on' END
    || ' ' || ev_class::regclass AS object
FROM dependent
JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = objid
JOIN pg_class ON pg_class.oid = ev_class

UNION

SELECT proname::text, 'function ' || objid::regprocedure
FROM dependent
JOIN pg_proc ON classid = 'pg_proc'::regclass AND pg_proc.oid = objid

UNION

SELECT polname::text, format('policy %I on %s', polname, polrelid::regclass)
FROM dependent
JOIN pg_policy ON classid = 'pg_policy'::regclass AND pg_policy.oid = objid

UNION

SELECT tgname::text, format('trigger %I on %s', tgname, tgrelid::regclass)
FROM dependent
JOIN pg_trigger ON classid = 'pg_trigger'::regclass AND pg_trigger.oid = objid
WHERE NOT tgisinternal

UNION

SELECT pubname::text, format('publication %I, by its WHERE or its columns', pubname)
FROM dependent
JOIN pg_publication_rel ON classid = 'pg_publication_rel'::regclass AND pg_publication_rel.oid = objid
JOIN pg_publication ON pg_publication.oid = prpubid

UNION

SELECT attname::text, format('generated column %s.%I', adrelid::regclass, attname)
FROM dependent
JOIN pg_attrdef ON classid = 'pg_attrdef'::regclass AND pg_attrdef.oid = objid
JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
WHERE attgenerated <> ''

UNION

-- The row of the table is the type of a column.
SELECT pg_class.relname::text, format('column %s.%I', attrelid::regclass, attname)
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
JOIN pg_type ON pg_type.oid IN (atttypid, (SELECT typelem FROM pg_type AS type WHERE type.oid = atttypid))
WHERE
    typrelid IN (SELECT attrelid FROM changed)
    AND relkind IN ('r', 'm', 'p', 'c', 'f')
    AND NOT attisdropped

UNION

SELECT relname::text, 'partition key of ' || partrelid::regclass
FROM pg_partitioned_table
JOIN changed ON attrelid = partrelid AND attnum = ANY (partattrs::smallint[])
JOIN pg_class ON pg_class.oid = partrelid

UNION

SELECT inhparent::regclass::text, 'parent table ' || inhparent::regclass
FROM pg_inherits
WHERE inhrelid IN (SELECT attrelid FROM changed WHERE is_inherited)

UNION

SELECT reloftype::regtype::text, format('type %s, of which the table is', reloftype::regtype)
FROM pg_class
WHERE oid IN (SELECT attrelid FROM changed) AND reloftype <> 0
ORDER BY object;
