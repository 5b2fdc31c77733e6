-- statements: what PostgreSQL has counted of each statement that this role runs, where pg_stat_statements is there.
-- For psql (psql -U images_app -f sql/inspect/statements.sql), and for GET /v1/schema, which finds the queries again by the
-- fingerprint of their text: constants, spaces and comments do not count.
SELECT
    query,
    calls,
    total_exec_time / 1000 AS seconds
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND userid = quote_ident(current_user)::regrole
    AND toplevel
ORDER BY total_exec_time DESC, queryid
LIMIT 1000;
