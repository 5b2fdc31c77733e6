-- read_database: returns the name and size of this database, and the server's version, for GET /v1/schema.
-- Index: none, one row of pg_database.
SELECT
    current_database()::text AS name,
    current_setting('server_version') AS version,
    current_user::text AS role,
    pg_database_size(current_database()) AS bytes,
    pg_stat_get_db_stat_reset_time(oid) AS counted_since
FROM pg_database
WHERE datname = current_database();
