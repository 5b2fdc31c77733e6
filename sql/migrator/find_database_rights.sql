-- find_database_rights: this role, whether it may create schemas and publications in this database, temporary tables, and
-- roles, and whether it is a superuser.
SELECT
    quote_ident(current_user) AS role,
    has_database_privilege(current_database(), 'CREATE') AS may_create,
    has_database_privilege(current_database(), 'TEMPORARY') AS may_create_temporary,
    rolsuper OR rolcreaterole AS may_create_roles,
    rolsuper AS is_superuser
FROM pg_roles
WHERE rolname = current_user;
