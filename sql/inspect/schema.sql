-- schema: describes the current schema, one line for each object, in PostgreSQL's own words.
-- For psql (psql -f sql/inspect/schema.sql). `schema status` compares a live database with the lines at the end
-- of sql/schema.sql. The tests compare the schema before a migration and after its rollback.
-- It leaves out the migrator's own tables and objects of extensions. It ignores the order of columns, because no query
-- depends on it.
WITH relations AS (
    SELECT oid, relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relreplident, reloptions
    FROM pg_class
    WHERE relnamespace = quote_ident(current_schema())::regnamespace
        AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND relname NOT IN ('_yoyo_migration', '_yoyo_log', '_yoyo_version', '_yoyo_ledger', 'yoyo_lock')
        AND relname NOT LIKE '\_yoyo\_ledger\_%'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
),

things (thing, definition, comment) AS (
    SELECT
        'table ' || relname,
        CONCAT_WS(
            ', ',
            'kind ' || relkind::text,
            'persistence ' || relpersistence::text,
            CASE WHEN relrowsecurity THEN 'row security' END,
            CASE WHEN relforcerowsecurity THEN 'forced row security' END,
            'replica identity ' || NULLIF(NULLIF(relreplident::text, 'd'), 'n'),
            'options ' || array_to_string(reloptions, ' '),
            CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END
        ),
        obj_description(oid, 'pg_class')
    FROM relations

    UNION ALL

    SELECT
        'column ' || relname || '.' || attname,
        CONCAT_WS(
            ', ',
            format_type(atttypid, atttypmod),
            CASE WHEN attcollation <> typcollation THEN 'collate ' || attcollation::regcollation::text END,
            CASE WHEN attnotnull THEN 'not null' END,
            'default ' || pg_get_expr(adbin, adrelid),
            'identity ' || NULLIF(attidentity::text, ''),
            'generated ' || NULLIF(attgenerated::text, '')
        ),
        col_description(attrelid, attnum)
    FROM relations
    JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
    JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relkind <> 'S'

    UNION ALL

    -- Since PostgreSQL 18 NOT NULL is a constraint too. The columns above show it on every version.
    SELECT
        'constraint ' || relname || '.' || conname,
        pg_get_constraintdef(pg_constraint.oid),
        obj_description(pg_constraint.oid, 'pg_constraint')
    FROM relations
    JOIN pg_constraint ON conrelid = relations.oid AND contype <> 'n'

    UNION ALL

    SELECT
        'index ' || relation.relname,
        CONCAT_WS(', ', pg_get_indexdef(indexrelid), CASE WHEN NOT (indisvalid AND indisready AND indislive) THEN 'INVALID' END),
        obj_description(indexrelid, 'pg_class')
    FROM relations
    JOIN pg_index ON indrelid = relations.oid
    JOIN pg_class AS relation ON relation.oid = indexrelid

    UNION ALL

    SELECT
        'trigger ' || relname || '.' || tgname,
        CONCAT_WS(
            ', ',
            pg_get_triggerdef(pg_trigger.oid),
            CASE WHEN tgenabled <> 'O' THEN 'enabled ' || tgenabled::text END
        ),
        obj_description(pg_trigger.oid, 'pg_trigger')
    FROM relations
    JOIN pg_trigger ON tgrelid = relations.oid AND NOT tgisinternal

    UNION ALL

    SELECT
        'function ' || oid::regprocedure::text,
        CASE WHEN prokind <> 'a' THEN pg_get_functiondef(oid) END,
        obj_description(oid, 'pg_proc')
    FROM pg_proc
    WHERE pronamespace = quote_ident(current_schema())::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')

    UNION ALL

    SELECT
        'rule ' || relname || '.' || rulename,
        CONCAT_WS(', ', pg_get_ruledef(pg_rewrite.oid), CASE WHEN ev_enabled <> 'O' THEN 'enabled ' || ev_enabled::text END),
        obj_description(pg_rewrite.oid, 'pg_rewrite')
    FROM relations
    JOIN pg_rewrite ON ev_class = relations.oid AND rulename <> '_RETURN'

    UNION ALL

    SELECT
        'policy ' || tablename || '.' || policyname,
        CONCAT_WS(', ', permissive, 'for ' || cmd, 'to ' || array_to_string(roles, ' '), qual, with_check),
        NULL
    FROM pg_policies
    WHERE schemaname = current_schema()

    UNION ALL

    SELECT
        'statistics ' || stxname,
        pg_get_statisticsobjdef(oid),
        obj_description(oid, 'pg_statistic_ext')
    FROM pg_statistic_ext
    WHERE stxnamespace = quote_ident(current_schema())::regnamespace

    UNION ALL

    -- Leave out a table's own type and the array of each type, which PostgreSQL creates with it.
    SELECT
        'type ' || typname,
        CONCAT_WS(
            ', ',
            'kind ' || typtype::text,
            format_type(NULLIF(typbasetype, 0), typtypmod),
            (SELECT string_agg(quote_literal(enumlabel), ' ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = pg_type.oid),
            (SELECT string_agg(pg_get_constraintdef(oid), ' ' ORDER BY conname) FROM pg_constraint WHERE contypid = pg_type.oid)
        ),
        obj_description(oid, 'pg_type')
    FROM pg_type
    WHERE typnamespace = quote_ident(current_schema())::regnamespace
        AND (typtype IN ('d', 'e', 'r') OR (typtype = 'c' AND (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c'))
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_type.oid AND deptype = 'e')
)

SELECT
    thing || ': ' || regexp_replace(replace(definition, quote_ident(current_schema()) || '.', ''), '\s+', ' ', 'g')
        AS line
FROM things

UNION ALL

SELECT 'comment on ' || thing || ': ' || regexp_replace(comment, '\s+', ' ', 'g')
FROM things
WHERE comment IS NOT NULL

ORDER BY line;
