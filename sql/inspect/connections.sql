-- connections: shows how many of the server's connections each role uses, in all databases, and the maximum. The
-- service uses at most WEB_CONCURRENCY * (DATABASE_POOL_SIZE + 2) for each instance.
-- PostgreSQL shows only the name of other roles' sessions, not their work, unless this role is a member of pg_monitor.
-- For psql: psql -f sql/inspect/connections.sql
SELECT
    datname AS database,
    usename AS role,
    application_name AS program,
    client_addr AS client,
    count(*) AS connections,
    CASE WHEN bool_and(state IS NOT NULL) THEN count(*) FILTER (WHERE state = 'active') END AS active,
    CASE WHEN bool_and(state IS NOT NULL) THEN count(*) FILTER (WHERE state LIKE 'idle in transaction%') END
        AS idle_in_transaction,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS of_at_most
FROM pg_stat_activity
WHERE backend_type = 'client backend'
    OR (backend_type IS NULL AND usename IS NOT NULL AND datname IS NOT NULL)
GROUP BY datname, usename, application_name, client_addr
ORDER BY connections DESC, database, role, program, client;
