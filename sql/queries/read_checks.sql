-- read_checks: returns the last result of each check of `images schema verify`, for GET /v1/schema and GET /metrics.
-- Index: none, because the table has a row for each file of sql/verify/.
SELECT
    name,
    table_name AS "table",
    checked_at,
    seconds,
    rows_checked AS rows,
    faults,
    repaired
FROM _yoyo_ledger_checks
ORDER BY name;
