-- read_runs: returns the last runs of each migration, newest first, for GET /v1/schema.
-- $1 text[]  ids of migrations
-- $2 bigint  maximum of runs for each
-- A ledger of an earlier release has no reason.
-- Index: _yoyo_ledger_pkey, $2 entries for each.
-- example two of them: ARRAY['0001_create_images', '0014_create_images_triggers'], 10
SELECT
    migration_id,
    operation,
    outcome,
    username,
    hostname,
    process,
    started_at,
    finished_at,
    error,
    reason
FROM unnest($1::text[]) AS wanted (migration_id)
CROSS JOIN LATERAL (
    SELECT
        id,
        operation,
        outcome,
        username,
        hostname,
        process,
        started_at,
        finished_at,
        error,
        to_jsonb(_yoyo_ledger) ->> 'reason' AS reason
    FROM _yoyo_ledger
    WHERE _yoyo_ledger.migration_id = wanted.migration_id
    ORDER BY id DESC
    LIMIT $2
) AS run
ORDER BY migration_id, id DESC;
