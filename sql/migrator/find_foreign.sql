-- find_foreign: an object that a statement of a migration changes, and that another role owns, so that PostgreSQL rejects
-- the statement. The migrator asks before it begins, and so does a plan. A superuser and a member of the owner may change
-- the object. The answer has no row if there is none.
-- :kind    relation, tree (a table and those that inherit from it), maintained (what the right MAINTAIN allows is no
--          change), sequences (of a table), function, type, schema, extension, publication or database.
-- :name    the name as in SQL, perhaps with its schema. A function may have its types in parentheses.
-- :is_drop whether the statement drops the object: the owner of its schema may do so too
WITH RECURSIVE tree (oid) AS (
    SELECT to_regclass(:name)::oid
    WHERE :kind IN ('relation', 'tree', 'maintained')
    UNION
    SELECT inhrelid
    FROM tree
    JOIN pg_inherits ON inhparent = tree.oid
    WHERE :kind = 'tree'
),

found (classid, objid, owner, schema) AS (
    SELECT 'pg_class'::regclass, pg_class.oid, relowner, relnamespace
    FROM tree
    JOIN pg_class ON pg_class.oid = tree.oid
    LEFT JOIN pg_index ON indexrelid = tree.oid
    WHERE NOT CASE
        WHEN :kind = 'maintained' AND current_setting('server_version_num')::integer >= 170000
            THEN has_table_privilege(COALESCE(indrelid, tree.oid), 'MAINTAIN')
        ELSE false
    END
    UNION ALL
    SELECT 'pg_class'::regclass, pg_class.oid, relowner, relnamespace
    FROM pg_depend
    JOIN pg_class ON pg_class.oid = objid AND relkind = 'S'
    WHERE :kind = 'sequences'
        AND classid = 'pg_class'::regclass
        AND refclassid = 'pg_class'::regclass
        AND refobjid = to_regclass(:name)
        AND deptype IN ('a', 'i')
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, proowner, pronamespace
    FROM pg_proc
    WHERE oid = CASE
        WHEN :kind = 'function' AND :name LIKE '%(%' THEN to_regprocedure(:name)::oid
        WHEN :kind = 'function' THEN to_regproc(:name)::oid
    END
    UNION ALL
    SELECT 'pg_type'::regclass, oid, typowner, typnamespace
    FROM pg_type
    WHERE oid = CASE WHEN :kind = 'type' THEN to_regtype(:name)::oid END
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid, nspowner, oid
    FROM pg_namespace
    WHERE oid = CASE WHEN :kind = 'schema' THEN to_regnamespace(:name)::oid END
    UNION ALL
    SELECT 'pg_extension'::regclass, oid, extowner, extnamespace
    FROM pg_extension
    WHERE :kind = 'extension' AND quote_ident(extname) IN (:name, quote_ident(trim('"' FROM :name)))
    UNION ALL
    SELECT 'pg_publication'::regclass, oid, pubowner, 0
    FROM pg_publication
    WHERE :kind = 'publication' AND quote_ident(pubname) IN (:name, quote_ident(trim('"' FROM :name)))
    UNION ALL
    SELECT 'pg_database'::regclass, oid, datdba, 0
    FROM pg_database
    WHERE :kind = 'database' AND quote_ident(datname) IN (:name, quote_ident(trim('"' FROM :name)))
)

SELECT pg_describe_object(classid, objid, 0) AS object, pg_get_userbyid(owner)::text AS owner
FROM found
LEFT JOIN pg_namespace ON pg_namespace.oid = schema
WHERE NOT pg_has_role(owner, 'USAGE') AND NOT (:is_drop AND pg_has_role(nspowner, 'USAGE'))
ORDER BY classid, objid
LIMIT 1;
