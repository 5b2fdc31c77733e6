-- set_role: lets the session work as MIGRATION_ROLE, or as the role of the URL. A role and a database can have another
-- default. Everything that a migration creates belongs to this role.
-- :role  the role; none for that of the URL
SELECT set_config('role', :role, false);
