-- runs: shows the last 20 runs of migrations from the ledger: migration, result, user, time and duration.
-- For psql: psql -f sql/inspect/runs.sql
SELECT
    migration_id,
    operation,
    outcome,
    CONCAT(username, ' on ', hostname, ', process ', process) AS by_whom,
    started_at::timestamp(0) AS started,
    EXTRACT(EPOCH FROM finished_at - started_at)::numeric(10, 3) AS seconds,
    error
FROM _yoyo_ledger
ORDER BY id DESC
LIMIT 20;
