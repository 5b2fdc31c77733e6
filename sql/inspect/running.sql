-- running: shows the statements that run now, by the name in the first line of their file (sql/queries/NAME.sql), and
-- what they wait for. The migrator's sessions have names that begin with `yoyo`.
-- A statement `<insufficient privilege>` stands for sessions of other roles, whose work only a member of pg_monitor sees.
-- For psql: psql -f sql/inspect/running.sql
SELECT
    COALESCE(substring(query FROM '^-- (\w+):'), left(regexp_replace(query, '\s+', ' ', 'g'), 40)) AS statement,
    application_name AS program,
    count(*) AS sessions,
    max(EXTRACT(EPOCH FROM clock_timestamp() - query_start))::numeric(10, 3) AS longest_seconds,
    string_agg(DISTINCT CONCAT_WS(': ', wait_event_type, wait_event), ', ') AS waits_for,
    min(pid) AS a_process
FROM pg_stat_activity
WHERE datname = current_database()
    AND (state = 'active' OR query = '<insufficient privilege>')
    AND pid <> pg_backend_pid()
GROUP BY statement, application_name
ORDER BY longest_seconds DESC, statement, program;
