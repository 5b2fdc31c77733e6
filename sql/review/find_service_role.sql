-- find_service_role: finds the role of the service: the role of the project that may write to the most tables without
-- owning them. It has no row if the server has no such role.
-- :roles  the roles of the project
SELECT rolname
FROM pg_roles
JOIN pg_class ON relkind IN ('r', 'p') AND relowner <> pg_roles.oid
WHERE rolname = ANY (:roles)
    AND NOT rolsuper
    AND has_table_privilege(pg_roles.oid, pg_class.oid, 'INSERT, UPDATE, DELETE')
GROUP BY rolname
ORDER BY count(*) DESC, rolname
LIMIT 1;
