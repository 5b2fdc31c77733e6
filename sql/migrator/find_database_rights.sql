-- find_database_rights: this role, whether it may create schemas and publications in this database, and whether it may
-- create roles.
SELECT
    quote_ident(current_user) AS role,
    has_database_privilege(current_database(), 'CREATE') AS may_create,
    rolsuper OR rolcreaterole AS may_create_roles
FROM pg_roles
WHERE rolname = current_user;
