-- name_session: sets the name of this session, for pg_stat_activity and for migrators that wait for it.
-- :name  number of the migration, host, and process; PostgreSQL keeps 63 bytes of it
SELECT set_config('application_name', :name, false);
