-- record_check: records the result of a check, and forgets the checks that the project no longer has.
-- :names       the names of all checks of the project.
-- :name        name of the check, and so on: the columns of _yoyo_ledger_checks.
WITH forgotten AS (
    DELETE FROM _yoyo_ledger_checks
    WHERE name <> ALL (:names::text[])
)

INSERT INTO _yoyo_ledger_checks (name, table_name, checked_at, seconds, rows_checked, faults, repaired)
VALUES (:name, :table_name, clock_timestamp(), :seconds, :rows_checked, :faults, :repaired)
ON CONFLICT (name) DO UPDATE
SET
    table_name = excluded.table_name,
    checked_at = excluded.checked_at,
    seconds = excluded.seconds,
    rows_checked = excluded.rows_checked,
    faults = excluded.faults,
    repaired = excluded.repaired;
