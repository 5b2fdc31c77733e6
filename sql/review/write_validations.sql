-- write_validations: writes, for each constraint that is not valid, a statement that fails if rows violate it. For a CHECK
-- it updates one such row without a change. A trigger may correct the row, and then nothing fails. For any other
-- constraint it is VALIDATE.
SELECT
    conname,
    CASE
        WHEN contype = 'c'
            THEN format(
                'UPDATE %1$s SET %2$I = %2$I WHERE ctid IN (SELECT ctid FROM %1$s WHERE NOT (%3$s) LIMIT 1)',
                conrelid::regclass,
                attname,
                pg_get_expr(conbin, conrelid)
            )
        ELSE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname)
    END AS statement
FROM pg_constraint
CROSS JOIN LATERAL (
    SELECT attname
    FROM pg_attribute
    WHERE attrelid = conrelid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
    ORDER BY attnum
    LIMIT 1
) AS touched
WHERE NOT convalidated
ORDER BY conname;
