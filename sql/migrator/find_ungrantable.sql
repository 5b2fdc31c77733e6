-- find_ungrantable: an object of another role on which this role has no right at all, so that PostgreSQL rejects a GRANT
-- or REVOKE on it. With any right, PostgreSQL only warns that it granted nothing. The answer has no row if there is none.
-- :kind           relation, function, type or schema. tables, sequences or functions in schema: all of them.
-- :name           the name as in SQL, perhaps with its schema. A function may have its types in parentheses.
-- :is_of_columns  whether the rights are of columns: then a right on any column is enough
WITH found (classid, objid, owner, rights) AS (
    SELECT
        'pg_class'::regclass,
        oid,
        relowner,
        COALESCE(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
    FROM pg_class
    WHERE CASE :kind
        WHEN 'relation' THEN oid = to_regclass(:name)
        WHEN 'tables in schema' THEN relnamespace = to_regnamespace(:name) AND relkind IN ('r', 'p', 'v', 'm', 'f')
        WHEN 'sequences in schema' THEN relnamespace = to_regnamespace(:name) AND relkind = 'S'
        ELSE false
    END
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, proowner, COALESCE(proacl, acldefault('f', proowner))
    FROM pg_proc
    WHERE CASE
        WHEN :kind = 'function' AND :name LIKE '%(%' THEN oid = to_regprocedure(:name)
        WHEN :kind = 'function' THEN oid = to_regproc(:name)
        WHEN :kind = 'functions in schema' THEN pronamespace = to_regnamespace(:name)
        ELSE false
    END
    UNION ALL
    SELECT 'pg_type'::regclass, oid, typowner, COALESCE(typacl, acldefault('T', typowner))
    FROM pg_type
    WHERE oid = CASE WHEN :kind = 'type' THEN to_regtype(:name)::oid END
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid, nspowner, COALESCE(nspacl, acldefault('n', nspowner))
    FROM pg_namespace
    WHERE oid = CASE WHEN :kind = 'schema' THEN to_regnamespace(:name)::oid END
)

SELECT pg_describe_object(classid, objid, 0) AS object, pg_get_userbyid(owner)::text AS owner
FROM found
WHERE NOT pg_has_role(owner, 'USAGE')
    AND NOT EXISTS (
        SELECT
        FROM aclexplode(rights) AS granted
        WHERE grantee = 0 OR pg_has_role(grantee, 'USAGE')
    )
    -- Also the rights of pg_read_all_data and the like, which no list of an object has.
    AND NOT CASE classid
        WHEN 'pg_class'::regclass THEN
            has_table_privilege(objid, 'SELECT, INSERT, UPDATE, DELETE')
            OR CASE
                WHEN current_setting('server_version_num')::integer >= 170000 THEN has_table_privilege(objid, 'MAINTAIN')
                ELSE false
            END
        WHEN 'pg_namespace'::regclass THEN has_schema_privilege(objid, 'USAGE')
        ELSE false
    END
    AND NOT (
        :is_of_columns
        AND classid = 'pg_class'::regclass
        AND has_any_column_privilege(objid, 'SELECT, INSERT, UPDATE, REFERENCES')
    )
ORDER BY classid, objid
LIMIT 1;
