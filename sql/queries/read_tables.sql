-- read_tables: returns each table with its columns, constraints, indexes and triggers, their comments, sizes and use,
-- as JSON, for GET /v1/schema. It leaves out the migrator's own tables and those of extensions, as inspect/schema.sql
-- does. The number of rows is PostgreSQL's own count. After a crash, which resets the count, it is the estimate of
-- ANALYZE. It takes ACCESS SHARE on each table, for sizes and defaults.
-- Index: those of PostgreSQL's system catalogs, of which it reads the entries of these tables.
SELECT
    relname AS name,
    json_build_object(
        'name', relname,
        'comment', obj_description(pg_class.oid, 'pg_class'),
        'rows', COALESCE(NULLIF(pg_stat_get_live_tuples(pg_class.oid), 0), GREATEST(reltuples, 0)::bigint),
        'dead_rows', pg_stat_get_dead_tuples(pg_class.oid),
        'table_bytes', pg_table_size(pg_class.oid),
        'index_bytes', pg_indexes_size(pg_class.oid),
        'scans', pg_stat_get_numscans(pg_class.oid),
        'last_vacuum', pg_stat_get_last_vacuum_time(pg_class.oid),
        'last_autovacuum', pg_stat_get_last_autovacuum_time(pg_class.oid),
        'last_analyze', pg_stat_get_last_analyze_time(pg_class.oid),
        'last_autoanalyze', pg_stat_get_last_autoanalyze_time(pg_class.oid),
        'columns', ARRAY(
            SELECT json_build_object(
                'name', attname,
                'type', format_type(atttypid, atttypmod),
                'nullable', NOT attnotnull,
                'default', CASE WHEN attgenerated = '' THEN pg_get_expr(adbin, adrelid) END,
                'generated', CASE
                    WHEN attgenerated <> '' THEN pg_get_expr(adbin, adrelid)
                    WHEN attidentity = 'a' THEN 'always as identity'
                    WHEN attidentity = 'd' THEN 'by default as identity'
                END,
                'comment', col_description(attrelid, attnum)
            )
            FROM pg_attribute
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
            ORDER BY attnum
        ),
        'constraints', ARRAY(
            SELECT json_build_object(
                'name', conname,
                'definition', pg_get_constraintdef(pg_constraint.oid),
                'valid', convalidated,
                'comment', obj_description(pg_constraint.oid, 'pg_constraint')
            )
            FROM pg_constraint
            WHERE conrelid = pg_class.oid AND contype <> 'n'
            ORDER BY contype = 'c', conname
        ),
        'indexes', ARRAY(
            SELECT json_build_object(
                'name', index.relname,
                'definition', replace(pg_get_indexdef(indexrelid), quote_ident(current_schema()) || '.', ''),
                'bytes', pg_relation_size(indexrelid),
                'scans', pg_stat_get_numscans(indexrelid),
                'valid', indisvalid AND indisready AND indislive,
                'comment', obj_description(indexrelid, 'pg_class')
            )
            FROM pg_index
            JOIN pg_class AS index ON index.oid = indexrelid
            WHERE indrelid = pg_class.oid
            ORDER BY NOT indisprimary, index.relname
        ),
        'triggers', ARRAY(
            SELECT json_build_object(
                'name', tgname,
                'definition', replace(pg_get_triggerdef(pg_trigger.oid), quote_ident(current_schema()) || '.', ''),
                'enabled', tgenabled <> 'D',
                'comment', obj_description(pg_trigger.oid, 'pg_trigger')
            )
            FROM pg_trigger
            WHERE tgrelid = pg_class.oid AND NOT tgisinternal
            ORDER BY tgname
        )
    ) AS json
FROM pg_class
WHERE relnamespace = quote_ident(current_schema())::regnamespace
    AND relkind IN ('r', 'p', 'm')
    AND relname NOT IN ('_yoyo_migration', '_yoyo_log', '_yoyo_version', '_yoyo_ledger', 'yoyo_lock')
    AND relname NOT LIKE '\_yoyo\_ledger\_%'
    AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
    )
ORDER BY relname;
