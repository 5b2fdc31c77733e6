-- count_faults: returns how many images have bytes that the last check found wrong, and when a check last ended, for GET
-- /metrics. It reads the time as JSON, because the table of an older schema has no such column.
-- Index: content_checks_fault_idx, and images_content_sha256_key, one entry for each fault.
SELECT
    count(*) AS faults,
    (SELECT (to_jsonb(object_stores) ->> 'checked_at')::timestamptz FROM object_stores) AS checked_at
FROM content_checks
WHERE fault IS NOT NULL
    AND (SELECT id FROM images WHERE content_sha256 = images_sha256_bytes(content_checks.sha256)) IS NOT NULL; -- no join: a look-up for each
