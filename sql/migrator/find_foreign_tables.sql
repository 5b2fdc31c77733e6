-- find_foreign_tables: what is wrong with the migrator's own tables in the schema that new tables go to. Another program
-- can have a table of the same name, and a dump can have only some of them. One row for each fault:
-- * a relation that lacks a column or is no table: its name, and the column or NULL
-- * a table of yoyo that is missing beside another one: its name, '', and the name of the other one.
-- yoyo before 6.0 had only _yoyo_migration (id, ctime), which yoyo itself replaces.
WITH own (name, columns) AS (
    VALUES
        ('_yoyo_migration', '{migration_hash,migration_id,applied_at_utc}'::text[]),
        ('_yoyo_log', '{id,migration_hash,migration_id,operation,username,hostname,created_at_utc}'),
        ('_yoyo_version', '{version,installed_at_utc}'),
        ('yoyo_lock', '{locked,ctime,pid}'),
        ('_yoyo_ledger', '{migration_id,operation,outcome,sha256,started_at,finished_at}'),
        ('_yoyo_ledger_backfills', '{migration_id,state,sha256,position,ends_at,rows_done,batches}'),
        ('_yoyo_ledger_checks', '{name}'),
        ('_yoyo_ledger_tags', '{name,migration_ids,digests}')
), found AS (
    SELECT name, columns, oid, relkind
    FROM own
    LEFT JOIN pg_class
        ON relname = name AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
), lacking AS (
    SELECT name, sought, number
    FROM found, unnest(columns) WITH ORDINALITY AS each (sought, number)
    WHERE oid IS NOT NULL
        AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = oid AND attname = sought AND NOT attisdropped)
)
SELECT name, sought AS lacks, NULL AS beside
FROM lacking
WHERE number = (SELECT min(number) FROM lacking AS other WHERE other.name = lacking.name)
    AND NOT (
        name = '_yoyo_migration'
        AND 2 = (
            SELECT count(*) FROM pg_attribute JOIN found ON attrelid = oid
            WHERE name = '_yoyo_migration' AND attname IN ('id', 'ctime')
        )
    )
UNION ALL
SELECT name, NULL, NULL FROM found WHERE relkind NOT IN ('r', 'p')
UNION ALL
SELECT name, '', '_yoyo_migration'
FROM found
WHERE name IN ('_yoyo_log', '_yoyo_version')
    AND oid IS NULL
    AND EXISTS (
        SELECT FROM pg_attribute JOIN found AS history ON attrelid = history.oid
        WHERE history.name = '_yoyo_migration' AND attname = 'migration_hash'
    )
UNION ALL
-- Without its history, yoyo would create all three.
SELECT '_yoyo_migration', '', name
FROM found
WHERE name IN ('_yoyo_log', '_yoyo_version')
    AND oid IS NOT NULL
    AND EXISTS (SELECT FROM found AS history WHERE history.name = '_yoyo_migration' AND history.oid IS NULL)
ORDER BY 1, 2, 3;
