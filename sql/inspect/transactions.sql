-- transactions: shows the transactions that have been open longest, with their current statement. An old transaction
-- keeps VACUUM from removing rows that were deleted since, and CREATE INDEX CONCURRENTLY waits for it. If its state is
-- `idle in transaction`, its client has forgotten it.
-- A statement `<insufficient privilege>` stands for a session of another role, whose work only a member of pg_monitor sees.
-- For psql: psql -f sql/inspect/transactions.sql
SELECT
    pid AS process,
    usename AS role,
    application_name AS program,
    client_addr AS client,
    state,
    EXTRACT(EPOCH FROM now() - xact_start)::integer AS transaction_seconds,
    EXTRACT(EPOCH FROM now() - state_change)::integer AS seconds_in_state,
    left(regexp_replace(query, '\s+', ' ', 'g'), 80) AS statement
FROM pg_stat_activity
WHERE datname = current_database()
    AND (xact_start IS NOT NULL OR query = '<insufficient privilege>')
    AND pid <> pg_backend_pid()
ORDER BY xact_start, pid
LIMIT 20;
