-- find_uncreatable: the role that may not make an object or a name in a schema, and that schema. The answer has no row if
-- it may, or if there is no such place.
-- :kind   schema. Or relation, function or type: the schema of that object. `... of statistics`: for CREATE STATISTICS,
--         which needs the right since the minor versions of November 2025.
-- :name   the schema without quotes, null for that of new tables. Or the object as in SQL: see find_foreign
-- :owner  the new owner of the object, without quotes. Nothing is needed if it is the owner. null: this role
WITH server AS (
    SELECT current_setting('server_version_num')::integer / 10000 AS major,
        current_setting('server_version_num')::integer % 10000 AS minor
),

place (schema_oid, owner) AS (
    SELECT to_regnamespace(quote_ident(COALESCE(:name::text, current_schema())))::oid, 0::oid
    WHERE :kind LIKE 'schema%'
    UNION ALL
    SELECT relnamespace, relowner
    FROM pg_class
    WHERE oid = CASE WHEN :kind LIKE 'relation%' THEN to_regclass(:name)::oid END
    UNION ALL
    SELECT pronamespace, proowner
    FROM pg_proc
    WHERE oid = CASE
        WHEN :kind = 'function' AND :name LIKE '%(%' THEN to_regprocedure(:name)::oid
        WHEN :kind = 'function' THEN to_regproc(:name)::oid
    END
    UNION ALL
    SELECT typnamespace, typowner
    FROM pg_type
    WHERE oid = CASE WHEN :kind = 'type' THEN to_regtype(:name)::oid END
)

SELECT quote_ident(rolname) AS role, quote_ident(nspname) AS schema
FROM place
JOIN pg_namespace ON pg_namespace.oid = schema_oid
JOIN pg_roles ON rolname = COALESCE(:owner::text, current_user)
CROSS JOIN server
WHERE NOT has_schema_privilege(pg_roles.oid, schema_oid, 'CREATE')
    AND (:owner::text IS NULL OR (
        owner <> pg_roles.oid AND NOT (SELECT rolsuper FROM pg_roles AS own WHERE own.rolname = current_user)
    ))
    AND (
        :kind NOT LIKE '%statistics'
        OR major > 18
        OR minor >= CASE major WHEN 15 THEN 15 WHEN 16 THEN 11 WHEN 17 THEN 7 WHEN 18 THEN 1 END
    );
