-- statements: shows PostgreSQL's figures for each statement that this role runs, if pg_stat_statements is installed.
-- For psql (psql -U ROLE -f sql/inspect/statements.sql), and for GET /v1/schema, which finds the queries by the
-- fingerprint of their text. The fingerprint ignores constants, white space and comments.
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
