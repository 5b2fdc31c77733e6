-- read_history: returns the record of each migration in this database, applied or not, for the migrator, for `images
-- schema status` and for GET /readyz. yoyo's table has the applied migrations. The ledger has the result of each last
-- run, and the digest of the applied text. The digest comes from the run that made yoyo's mark, or from an edit that
-- was accepted since. A mark of stock yoyo has none. The last run has a digest too, also if it did not end well. A ledger of
-- an earlier release has no seal and no reason.
-- Index: the ledger's primary key, but DISTINCT reads the whole ledger: a few rows for each migration. A ledger of
-- 100,000 failed runs takes 63 ms.
SELECT
    migration_id,
    mark.applied_at_utc AT TIME ZONE 'UTC' AS applied_at,
    text.sha256,
    run.operation,
    run.outcome,
    run.username,
    run.hostname,
    run.process,
    run.started_at,
    run.finished_at,
    run.error,
    text.seal,
    run.reason,
    run.sha256 AS run_sha256
FROM _yoyo_migration AS mark
FULL JOIN (SELECT DISTINCT migration_id FROM _yoyo_ledger) AS recorded USING (migration_id)
LEFT JOIN LATERAL (
    SELECT
        operation,
        outcome,
        username,
        hostname,
        process,
        started_at,
        finished_at,
        error,
        sha256,
        to_jsonb(_yoyo_ledger) ->> 'reason' AS reason
    FROM _yoyo_ledger
    WHERE _yoyo_ledger.migration_id = recorded.migration_id AND operation <> 'accept'
    ORDER BY id DESC
    LIMIT 1
) AS run ON true
LEFT JOIN LATERAL (
    SELECT sha256, to_jsonb(_yoyo_ledger) ->> 'seal' AS seal
    FROM _yoyo_ledger
    WHERE _yoyo_ledger.migration_id = recorded.migration_id
        AND _yoyo_ledger.applied_at_utc = mark.applied_at_utc
        AND outcome = 'done'
    ORDER BY id DESC
    LIMIT 1
) AS text ON true
ORDER BY migration_id;
