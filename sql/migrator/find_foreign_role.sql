-- find_foreign_role: a role on which this role lacks a right. The answer has no row if it has the right, or if there is
-- no such role.
-- :name   the role, without quotes
-- :right  SET: SET ROLE, or give objects to it. USAGE: act for it. ADMIN: grant it to others. ALTER: change or drop it.
--         OWN: change its settings or its password, which each role may do for itself.
SELECT rolname::text AS name
FROM pg_roles
CROSS JOIN (SELECT current_setting('server_version_num')::integer >= 160000 AS is_16) AS server
WHERE rolname = :name
    AND NOT CASE
        WHEN :right = 'ADMIN' THEN
            pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')
            OR (NOT is_16 AND (SELECT rolcreaterole FROM pg_roles WHERE pg_roles.rolname = current_user))
        WHEN :right = 'OWN' AND rolname = current_user THEN true
        WHEN :right IN ('ALTER', 'OWN') THEN (
            SELECT
                own.rolsuper
                OR (
                    own.rolcreaterole
                    AND NOT pg_roles.rolsuper
                    AND (NOT is_16 OR pg_has_role(pg_roles.oid, 'MEMBER WITH ADMIN OPTION'))
                )
            FROM pg_roles AS own
            WHERE own.rolname = current_user
        )
        WHEN is_16 THEN pg_has_role(oid, :right)
        ELSE pg_has_role(oid, 'MEMBER')
    END;
