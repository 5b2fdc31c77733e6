-- name_session: what pg_stat_activity, and a migrator that waits for this one, see of it.
-- :name  the number of the migration, where, and the process; PostgreSQL keeps 63 bytes of it
SELECT set_config('application_name', :name, false);
