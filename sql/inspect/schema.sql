-- schema: describes the current schema, one line for each object, in PostgreSQL's own words.
-- For psql (psql -f sql/inspect/schema.sql). `schema status` compares a live database with the lines at the end
-- of sql/schema.sql. The tests compare the schema before a migration and after its rollback.
-- It leaves out the migrator's own tables and objects of extensions. It ignores the order of columns, because no query
-- depends on it. Rights and owners are shown only if they differ from PostgreSQL's defaults, or from the owner of most
-- tables. It leaves out what belongs to an installation: tablespaces, publications, and the versions of extensions.
WITH relations AS (
    SELECT
        oid, relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relreplident, reloptions, relowner,
        relacl, relispartition, relpartbound, reltoastrelid
    FROM pg_class
    WHERE relnamespace = quote_ident(current_schema())::regnamespace
        AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND relname NOT IN ('_yoyo_migration', '_yoyo_log', '_yoyo_version', '_yoyo_ledger', 'yoyo_lock')
        AND relname NOT LIKE '\_yoyo\_ledger\_%'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
),

functions AS (
    SELECT oid, proowner, proacl, prokind
    FROM pg_proc
    WHERE pronamespace = quote_ident(current_schema())::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
),

-- Without a table's own type and the array of each type, which PostgreSQL creates with it.
types AS (
    SELECT oid, typname, typowner, typacl, typtype, typbasetype, typtypmod, typdefault, typrelid, typnotnull
    FROM pg_type
    WHERE typnamespace = quote_ident(current_schema())::regnamespace
        AND (typtype IN ('d', 'e', 'r') OR (typtype = 'c' AND (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c'))
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_type.oid AND deptype = 'e')
),

main AS (
    SELECT mode() WITHIN GROUP (ORDER BY relowner) AS owner
    FROM pg_class
    WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind IN ('r', 'p', 'S')
),

owned (object, owner, acl, usual) AS (
    SELECT
        CASE relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || relname,
        relowner,
        relacl,
        acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)
    FROM relations

    UNION ALL

    SELECT 'column ' || relname || '.' || attname, relowner, attacl, acldefault('c', relowner)
    FROM relations
    JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped AND attacl IS NOT NULL

    UNION ALL

    SELECT 'function ' || oid::regprocedure::text, proowner, proacl, acldefault('f', proowner)
    FROM functions

    UNION ALL

    SELECT 'type ' || typname, typowner, typacl, acldefault('T', typowner)
    FROM types

    UNION ALL

    SELECT
        'default privileges for ' || CASE defaclobjtype
            WHEN 'r' THEN 'tables'
            WHEN 'S' THEN 'sequences'
            WHEN 'f' THEN 'functions'
            WHEN 'T' THEN 'types'
            ELSE 'schemas'
        END || CASE WHEN defaclnamespace = 0 THEN ' in all schemas' ELSE '' END,
        defaclrole,
        defaclacl,
        CASE WHEN defaclnamespace = 0 THEN acldefault(lower(defaclobjtype::text)::"char", defaclrole) END
    FROM pg_default_acl
    CROSS JOIN main
    WHERE defaclnamespace = quote_ident(current_schema())::regnamespace
        OR (defaclnamespace = 0 AND defaclrole = main.owner)
),

-- Of each role, the rights that it has, and those that it would have by default.
rights (object, grantee, rights, is_usual) AS (
    SELECT
        object,
        CASE grantee WHEN 0 THEN 'PUBLIC' WHEN owner THEN 'owner' ELSE grantee::regrole::text END,
        string_agg(
            DISTINCT privilege_type || CASE WHEN is_grantable AND grantee <> owner THEN ' WITH GRANT OPTION' ELSE '' END,
            ', '
        ),
        is_usual
    FROM owned
    CROSS JOIN LATERAL (
        SELECT COALESCE(acl, usual) AS list, false AS is_usual
        UNION ALL
        SELECT usual, true
    ) AS lists
    CROSS JOIN LATERAL aclexplode(list)
    GROUP BY object, owner, grantee, is_usual
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
            'options ' || (SELECT string_agg(option, ' ' ORDER BY option COLLATE "C") FROM unnest(reloptions) AS option),
            'toast options ' || (
                SELECT string_agg(option, ' ' ORDER BY option COLLATE "C")
                FROM pg_class AS toast
                CROSS JOIN LATERAL unnest(toast.reloptions) AS option
                WHERE toast.oid = relations.reltoastrelid
            ),
            'partition by ' || CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END,
            (
                SELECT 'child of ' || string_agg(inhparent::regclass::text, ' ' ORDER BY inhseqno)
                FROM pg_inherits
                WHERE inhrelid = relations.oid
            ),
            pg_get_expr(relpartbound, oid),
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

    SELECT 'storage of ' || relname || '.' || attname, CASE attstorage
        WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED'
    END, NULL
    FROM relations
    JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
    JOIN pg_type ON pg_type.oid = atttypid
    WHERE relkind IN ('r', 'p', 'm') AND attstorage <> typstorage

    UNION ALL

    SELECT 'compression of ' || relname || '.' || attname, CASE attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END, NULL
    FROM relations
    JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
    WHERE attcompression <> ''

    UNION ALL

    -- Before PostgreSQL 17 the default is -1, and since then it is null.
    SELECT 'statistics target of ' || relname || '.' || attname, attstattarget::text, NULL
    FROM relations
    JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
    WHERE attstattarget >= 0

    UNION ALL

    SELECT 'options of ' || relname || '.' || attname, array_to_string(attoptions, ', '), NULL
    FROM relations
    JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
    WHERE attoptions IS NOT NULL

    UNION ALL

    SELECT
        'sequence ' || relname,
        CONCAT_WS(
            ', ',
            'as ' || format_type(seqtypid, NULL),
            'start ' || seqstart,
            'increment ' || seqincrement,
            'from ' || seqmin || ' to ' || seqmax,
            'cache ' || seqcache,
            CASE WHEN seqcycle THEN 'cycle' END,
            (
                SELECT 'owned by ' || refobjid::regclass::text || '.' || attname
                FROM pg_depend
                JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
                WHERE objid = relations.oid AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND refobjsubid > 0
            )
        ),
        NULL
    FROM relations
    JOIN pg_sequence ON seqrelid = relations.oid

    UNION ALL

    SELECT 'grant on ' || object || ' to ' || grantee, COALESCE(granted.rights, 'nothing'), NULL
    FROM (SELECT object, grantee, rights FROM rights WHERE NOT is_usual) AS granted
    FULL JOIN (SELECT object, grantee, rights FROM rights WHERE is_usual) AS usual USING (object, grantee)
    WHERE granted.rights IS DISTINCT FROM usual.rights

    UNION ALL

    SELECT 'grant on schema to PUBLIC', privilege_type, NULL
    FROM pg_namespace
    CROSS JOIN LATERAL aclexplode(nspacl)
    WHERE nspname = current_schema() AND grantee = 0 AND privilege_type = 'CREATE'

    UNION ALL

    SELECT 'owner of ' || object, owned.owner::regrole::text || ', not ' || main.owner::regrole::text, NULL
    FROM owned
    CROSS JOIN main
    WHERE owned.owner <> main.owner AND object NOT LIKE 'column %' AND object NOT LIKE 'default %'

    UNION ALL

    SELECT 'other ' || type || ' ' || identity, 'exists', NULL
    FROM pg_depend
    CROSS JOIN LATERAL pg_identify_object(classid, objid, 0)
    WHERE refclassid = 'pg_namespace'::regclass
        AND refobjid = quote_ident(current_schema())::regnamespace
        AND classid NOT IN (
            'pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_statistic_ext'::regclass,
            'pg_default_acl'::regclass, 'pg_publication_namespace'::regclass, 'pg_extension'::regclass
        )
        AND NOT EXISTS (
            SELECT
            FROM pg_depend AS member
            WHERE member.classid = pg_depend.classid AND member.objid = pg_depend.objid AND member.deptype = 'e'
        )

    UNION ALL

    -- An event trigger belongs to no schema, and its function does. Those of extensions and of other schemas are the
    -- administrator's.
    SELECT 'other event trigger ' || quote_ident(evtname), 'exists', NULL
    FROM pg_event_trigger
    JOIN functions ON functions.oid = evtfoid

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
        CONCAT_WS(
            ', ',
            pg_get_indexdef(indexrelid),
            CASE WHEN NOT (indisvalid AND indisready AND indislive) THEN 'INVALID' END,
            CASE WHEN indisclustered THEN 'clustered' END,
            CASE WHEN indisreplident THEN 'replica identity' END
        ),
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
        CASE
            WHEN prokind <> 'a' THEN pg_get_functiondef(oid)
            ELSE (
                SELECT CONCAT_WS(', ', 'aggregate', aggtransfn, aggfinalfn, aggtranstype::regtype, agginitval)
                FROM pg_aggregate
                WHERE aggfnoid = functions.oid
            )
        END,
        obj_description(oid, 'pg_proc')
    FROM functions

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
        obj_description(pg_policy.oid, 'pg_policy')
    FROM pg_policies
    JOIN pg_policy
        ON polname = policyname AND polrelid = (quote_ident(schemaname) || '.' || quote_ident(tablename))::regclass
    WHERE schemaname = current_schema()

    UNION ALL

    SELECT
        'statistics ' || stxname,
        pg_get_statisticsobjdef(oid),
        obj_description(oid, 'pg_statistic_ext')
    FROM pg_statistic_ext
    WHERE stxnamespace = quote_ident(current_schema())::regnamespace

    UNION ALL

    SELECT
        'type ' || typname,
        CONCAT_WS(
            ', ',
            'kind ' || typtype::text,
            format_type(NULLIF(typbasetype, 0), typtypmod),
            (SELECT string_agg(quote_literal(enumlabel), ' ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = types.oid),
            'default ' || typdefault,
            (SELECT format_type(rngsubtype, NULL) FROM pg_range WHERE rngtypid = types.oid),
            (
                SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ' ' ORDER BY attnum)
                FROM pg_attribute
                WHERE attrelid = types.typrelid AND attnum > 0 AND NOT attisdropped
            ),
            (
                SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), ' ' ORDER BY conname)
                FROM pg_constraint
                WHERE contypid = types.oid AND contype <> 'n'
            ),
            CASE WHEN typnotnull THEN 'not null' END
        ),
        obj_description(oid, 'pg_type')
    FROM types
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
