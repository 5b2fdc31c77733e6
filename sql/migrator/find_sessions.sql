-- find_sessions: the sessions on this database, by their program and role, for schema contract. Sessions of
-- migrators that have the lock or wait for it are left out. Every role may read these columns, except backend_type: it is NULL in the sessions of other
-- roles, unless this role is a member of pg_read_all_stats.
SELECT
    COALESCE(application_name, '') AS program,
    COALESCE(usename, '') AS role,
    count(*) AS sessions
FROM pg_stat_activity
WHERE datname = current_database()
    AND (backend_type = 'client backend' OR (backend_type IS NULL AND usename IS NOT NULL))
    AND pid <> pg_backend_pid()
    AND COALESCE(application_name, '') NOT LIKE 'yoyo %'
GROUP BY application_name, usename
ORDER BY program, role;
