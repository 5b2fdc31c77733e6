-- schema: describes the current schema, one line for each object, in PostgreSQL's own words.
-- For psql (psql -f sql/inspect/schema.sql). `schema status` compares a live database with the lines at the end
-- of sql/schema.sql. The tests compare the schema before a migration and after its rollback.
-- It leaves out the migrator's own tables and objects of extensions. It ignores the order of columns, because no query
-- depends on it. Rights and owners are shown only if they differ from PostgreSQL's defaults, or from the owner of most
-- tables. It leaves out what belongs to an installation: tablespaces, publications, the settings of roles and of the
-- database, and extensions with their versions.
WITH relations AS (
    SELECT
        oid, relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relreplident, reloptions, relowner,
        relacl, relispartition, relpartbound, reltoastrelid, relam, reloftype
    FROM pg_class
    WHERE relnamespace = quote_ident(current_schema())::regnamespace
        AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND relname NOT IN ('_yoyo_migration', '_yoyo_log', '_yoyo_version', '_yoyo_ledger', 'yoyo_lock')
        AND relname NOT LIKE '\_yoyo\_ledger\_%'
        AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
        )
),

-- Without the constructors of a range, which PostgreSQL creates with it.
functions AS (
    SELECT oid, proowner, proacl, prokind, proparallel
    FROM pg_proc
    WHERE pronamespace = quote_ident(current_schema())::regnamespace
        AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype IN ('e', 'i')
        )
),

-- Without a table's own type and the array of each type, which PostgreSQL creates with it.
types AS (
    SELECT
        oid, typname, typowner, typacl, typtype, typbasetype, typtypmod, typdefault, typrelid, typnotnull, typcollation,
        typinput, typoutput
    FROM pg_type
    WHERE typnamespace = quote_ident(current_schema())::regnamespace
        AND (
            typtype IN ('d', 'e', 'r')
            OR (typtype = 'c' AND (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c')
            OR (typtype IN ('b', 'p') AND NOT EXISTS (SELECT FROM pg_type AS element WHERE element.typarray = pg_type.oid))
        )
        AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = pg_type.oid AND deptype = 'e'
        )
),

-- Objects of other kinds, without those that PostgreSQL creates with a type. A cast and an event trigger belong to no
-- schema: those of types and functions of other schemas are the administrator's.
others (classid, objid, object) AS (
    -- The words of a transform differ: until PostgreSQL 15 they are `on language`.
    SELECT
        classid, objid, type || ' ' || replace(
            CASE type WHEN 'transform' THEN replace(identity, ' on language ', ' language ') ELSE identity END,
            quote_ident(current_schema()) || '.',
            ''
        )
    FROM (
        SELECT classid, objid
        FROM pg_depend
        WHERE refclassid = 'pg_namespace'::regclass
            AND refobjid = quote_ident(current_schema())::regnamespace
            AND classid NOT IN (
                'pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_statistic_ext'::regclass,
                'pg_default_acl'::regclass, 'pg_publication_namespace'::regclass, 'pg_extension'::regclass
            )

        UNION ALL

        SELECT 'pg_event_trigger'::regclass, pg_event_trigger.oid
        FROM pg_event_trigger
        JOIN functions ON functions.oid = evtfoid

        UNION ALL

        SELECT 'pg_cast'::regclass, pg_cast.oid
        FROM pg_cast
        JOIN pg_type AS source ON source.oid = castsource
        JOIN pg_type AS target ON target.oid = casttarget
        WHERE pg_cast.oid >= 16384  -- the first OID that is not of initdb
            AND (
                source.typnamespace IN ('pg_catalog'::regnamespace, quote_ident(current_schema())::regnamespace)
                AND target.typnamespace IN ('pg_catalog'::regnamespace, quote_ident(current_schema())::regnamespace)
            )

        UNION ALL

        SELECT 'pg_transform'::regclass, pg_transform.oid
        FROM pg_transform
        JOIN pg_type ON pg_type.oid = trftype
        WHERE typnamespace IN ('pg_catalog'::regnamespace, quote_ident(current_schema())::regnamespace)
    ) AS found
    CROSS JOIN LATERAL pg_identify_object(classid, objid, 0)
    WHERE NOT EXISTS (
        SELECT
        FROM pg_depend AS member
        WHERE member.classid = found.classid AND member.objid = found.objid AND member.deptype IN ('e', 'i')
    )
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

    SELECT 'statistics ' || stxname, stxowner, NULL, NULL
    FROM pg_statistic_ext
    WHERE stxnamespace = quote_ident(current_schema())::regnamespace

    UNION ALL

    -- PostgreSQL records no dependency on its first superuser, whose OID is 10.
    SELECT 'other ' || object, COALESCE(refobjid, 10), NULL, NULL
    FROM others
    LEFT JOIN pg_shdepend
        ON dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pg_shdepend.classid = others.classid AND pg_shdepend.objid = others.objid AND deptype = 'o'
    WHERE others.classid NOT IN ('pg_cast'::regclass, 'pg_event_trigger'::regclass, 'pg_transform'::regclass)
        AND others.classid NOT IN ('pg_ts_parser'::regclass, 'pg_ts_template'::regclass)

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
            CASE
                WHEN relreplident <> 'd' AND (relreplident <> 'n' OR relkind IN ('r', 'p', 'm'))
                    THEN 'replica identity ' || relreplident::text
            END,
            'options ' || (SELECT string_agg(option, ' ' ORDER BY option COLLATE "C") FROM unnest(reloptions) AS option),
            'toast options ' || (
                SELECT string_agg(option, ' ' ORDER BY option COLLATE "C")
                FROM pg_class AS toast
                CROSS JOIN LATERAL unnest(toast.reloptions) AS option
                WHERE toast.oid = relations.reltoastrelid
            ),
            'partition by ' || CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END,
            (
                SELECT
                    'child of ' || string_agg(
                        inhparent::regclass::text || CASE WHEN inhdetachpending THEN ' (detach pending)' ELSE '' END,
                        ' ' ORDER BY inhseqno
                    )
                FROM pg_inherits
                WHERE inhrelid = relations.oid
            ),
            pg_get_expr(relpartbound, oid),
            'of type ' || NULLIF(reloftype, 0)::regtype::text,
            'access method ' || (SELECT amname FROM pg_am WHERE pg_am.oid = relam AND amname <> 'heap'),
            (
                SELECT CONCAT_WS(' ', 'server', srvname, array_to_string(ftoptions, ' '))
                FROM pg_foreign_table
                JOIN pg_foreign_server ON pg_foreign_server.oid = ftserver
                WHERE ftrelid = relations.oid
            ),
            CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END
        ),
        CASE WHEN relkind <> 'S' THEN obj_description(oid, 'pg_class') END
    FROM relations

    UNION ALL

    SELECT
        'column ' || relname || '.' || attname,
        CONCAT_WS(
            ', ',
            format_type(atttypid, atttypmod),
            CASE WHEN attcollation <> typcollation THEN 'collate ' || attcollation::regcollation::text END,
            -- Since PostgreSQL 18, NOT NULL is a constraint, which can be NOT VALID.
            CASE
                WHEN attnotnull AND EXISTS (
                    SELECT
                    FROM pg_constraint
                    WHERE conrelid = attrelid AND contype = 'n' AND conkey = ARRAY[attnum] AND NOT convalidated
                )
                THEN 'not null not valid'
                WHEN attnotnull THEN 'not null'
            END,
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

    SELECT 'statistics target of index ' || relation.relname || '.' || attnum, attstattarget::text, NULL
    FROM relations
    JOIN pg_index ON indrelid = relations.oid
    JOIN pg_class AS relation ON relation.oid = indexrelid
    JOIN pg_attribute ON attrelid = indexrelid
    WHERE attstattarget >= 0

    UNION ALL

    SELECT 'statistics target of statistics ' || stxname, stxstattarget::text, NULL
    FROM pg_statistic_ext
    WHERE stxnamespace = quote_ident(current_schema())::regnamespace AND stxstattarget >= 0

    UNION ALL

    SELECT 'options of ' || relname || '.' || attname, array_to_string(attoptions, ', '), NULL
    FROM relations
    JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
    WHERE attoptions IS NOT NULL

    UNION ALL

    SELECT 'foreign options of ' || relname || '.' || attname, array_to_string(attfdwoptions, ', '), NULL
    FROM relations
    JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
    WHERE attfdwoptions IS NOT NULL

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
        obj_description(oid, 'pg_class')
    FROM relations
    JOIN pg_sequence ON seqrelid = relations.oid

    UNION ALL

    SELECT 'grant on ' || object || ' to ' || grantee, COALESCE(granted.rights, 'nothing'), NULL
    FROM (SELECT object, grantee, rights FROM rights WHERE NOT is_usual) AS granted
    FULL JOIN (SELECT object, grantee, rights FROM rights WHERE is_usual) AS usual USING (object, grantee)
    WHERE granted.rights IS DISTINCT FROM usual.rights

    UNION ALL

    -- USAGE is expected of the roles that have rights on its objects. PUBLIC has it on the schema public.
    SELECT
        'grant on schema to ' || CASE granted.grantee WHEN 0 THEN 'PUBLIC' ELSE granted.grantee::regrole::text END,
        string_agg(privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', ' ORDER BY privilege_type),
        NULL
    FROM pg_namespace
    CROSS JOIN main
    CROSS JOIN LATERAL aclexplode(nspacl) AS granted
    LEFT JOIN LATERAL (
        SELECT EXISTS (SELECT FROM rights WHERE NOT is_usual AND rights.grantee = granted.grantee::regrole::text) AS has_rights
    ) AS known ON true
    WHERE nspname = current_schema()
        AND granted.grantee NOT IN (nspowner, main.owner)
        AND CASE privilege_type
            WHEN 'USAGE' THEN is_grantable OR (granted.grantee <> 0 AND NOT has_rights)
            -- If a superuser made the tables, as for a trial, the grantee can be the role that owns them elsewhere.
            ELSE granted.grantee = 0 OR NOT (SELECT rolsuper FROM pg_roles WHERE oid = main.owner) OR has_rights
        END
        -- In a trial, that role has no rights on the tables.
        AND NOT (
            granted.grantee <> 0 AND NOT has_rights AND (SELECT rolsuper FROM pg_roles WHERE oid = main.owner)
        )
    GROUP BY granted.grantee

    UNION ALL

    -- By default, each role has USAGE of the schema public. In another schema, it may not need it.
    SELECT DISTINCT 'grant on schema to ' || grantee, 'nothing', NULL
    FROM rights
    JOIN pg_roles ON quote_ident(rolname) = grantee
    WHERE NOT is_usual
        AND current_schema() = 'public'
        AND object !~ '^default privileges'
        AND NOT has_schema_privilege(pg_roles.oid, quote_ident(current_schema())::regnamespace, 'USAGE')

    UNION ALL

    -- The owner of a schema is that of the tables, or an administrator.
    SELECT 'owner of schema', nspowner::regrole::text || ', not ' || main.owner::regrole::text, NULL
    FROM pg_namespace
    CROSS JOIN main
    JOIN pg_roles ON pg_roles.oid = nspowner
    WHERE nspname = current_schema()
        AND nspowner <> main.owner
        AND NOT rolsuper
        AND rolname <> 'pg_database_owner'
        AND nspowner <> (SELECT datdba FROM pg_database WHERE datname = current_database())

    UNION ALL

    SELECT 'schema', NULL, NULLIF(obj_description(oid, 'pg_namespace'), 'standard public schema')
    FROM pg_namespace
    WHERE nspname = current_schema()

    UNION ALL

    SELECT 'owner of ' || object, owned.owner::regrole::text || ', not ' || main.owner::regrole::text, NULL
    FROM owned
    CROSS JOIN main
    WHERE owned.owner <> main.owner AND object NOT LIKE 'column %' AND object NOT LIKE 'default %'

    UNION ALL

    SELECT 'other ' || object, COALESCE(definition, 'exists'), obj_description(objid, classid::regclass::name)
    FROM others
    LEFT JOIN LATERAL (
        SELECT
            CONCAT_WS(
                ', ',
                'context ' || castcontext::text,
                'method ' || castmethod::text,
                'function ' || NULLIF(castfunc, 0)::regprocedure::text
            )
        FROM pg_cast
        WHERE classid = 'pg_cast'::regclass AND oid = objid

        UNION ALL

        SELECT
            CONCAT_WS(
                ', ',
                'on ' || evtevent,
                'tags ' || array_to_string(evttags, ' '),
                evtfoid::regprocedure,
                CASE WHEN evtenabled <> 'O' THEN 'enabled ' || evtenabled::text END
            )
        FROM pg_event_trigger
        WHERE classid = 'pg_event_trigger'::regclass AND oid = objid

        UNION ALL

        SELECT
            CONCAT_WS(
                ', ',
                oprcode::text,
                'commutator ' || NULLIF(oprcom, 0)::regoperator::text,
                'negator ' || NULLIF(oprnegate, 0)::regoperator::text,
                'restrict ' || NULLIF(oprrest, 0)::regproc::text,
                'join ' || NULLIF(oprjoin, 0)::regproc::text,
                CASE WHEN oprcanhash THEN 'hashes' END,
                CASE WHEN oprcanmerge THEN 'merges' END
            )
        FROM pg_operator
        WHERE classid = 'pg_operator'::regclass AND oid = objid

        UNION ALL

        -- The column of the locale has two names: until PostgreSQL 16, and since 17.
        SELECT
            CONCAT_WS(
                ', ',
                'provider ' || collprovider::text,
                collcollate,
                collctype,
                to_jsonb(pg_collation) ->> 'colllocale',
                to_jsonb(pg_collation) ->> 'colliculocale',
                'rules ' || (to_jsonb(pg_collation) ->> 'collicurules'),
                CASE WHEN NOT collisdeterministic THEN 'not deterministic' END
            )
        FROM pg_collation
        WHERE classid = 'pg_collation'::regclass AND oid = objid

        UNION ALL

        SELECT
            CONCAT_WS(
                ', ',
                'parser ' || (SELECT prsname FROM pg_ts_parser WHERE pg_ts_parser.oid = cfgparser),
                (
                    SELECT string_agg(alias || ' ' || mapdict::regdictionary::text, ' ' ORDER BY alias, mapseqno)
                    FROM pg_ts_config_map
                    JOIN ts_token_type(cfgparser) ON tokid = maptokentype
                    WHERE mapcfg = pg_ts_config.oid
                )
            )
        FROM pg_ts_config
        WHERE classid = 'pg_ts_config'::regclass AND oid = objid

        UNION ALL

        SELECT
            CONCAT_WS(
                ', ',
                'template ' || (SELECT tmplname FROM pg_ts_template WHERE pg_ts_template.oid = dicttemplate),
                dictinitoption
            )
        FROM pg_ts_dict
        WHERE classid = 'pg_ts_dict'::regclass AND oid = objid

        UNION ALL

        SELECT
            CONCAT_WS(
                ', ',
                'family ' || opfname,
                'for ' || format_type(opcintype, NULL),
                'storage ' || format_type(NULLIF(opckeytype, 0), NULL),
                CASE WHEN opcdefault THEN 'default' END
            )
        FROM pg_opclass
        JOIN pg_opfamily ON pg_opfamily.oid = opcfamily
        WHERE classid = 'pg_opclass'::regclass AND pg_opclass.oid = objid

        UNION ALL

        SELECT
            CONCAT_WS(
                ', ',
                'operators',
                (
                    SELECT string_agg(amopstrategy || ' ' || amopopr::regoperator::text, ', ' ORDER BY amopstrategy, amopopr)
                    FROM pg_amop
                    WHERE amopfamily = objid
                ),
                'functions',
                (
                    SELECT string_agg(amprocnum || ' ' || amproc::regprocedure::text, ', ' ORDER BY amprocnum, amproc::oid)
                    FROM pg_amproc
                    WHERE amprocfamily = objid
                )
            )
        WHERE classid = 'pg_opfamily'::regclass
    ) AS found (definition) ON true

    UNION ALL

    SELECT 'dependency of ' || object.type || ' ' || object.identity, 'extension ' || extname, NULL
    FROM pg_depend
    JOIN pg_extension ON refclassid = 'pg_extension'::regclass AND pg_extension.oid = refobjid
    CROSS JOIN LATERAL pg_identify_object(classid, objid, 0) AS object
    WHERE deptype = 'x'
        AND (
            object.schema = quote_ident(current_schema())
            OR objid IN (SELECT pg_trigger.oid FROM pg_trigger JOIN relations ON relations.oid = tgrelid)
        )

    UNION ALL

    -- Since PostgreSQL 18 NOT NULL is a constraint too. The columns above show it on every version.
    SELECT
        'constraint ' || relname || '.' || conname,
        CONCAT_WS(
            ', ',
            pg_get_constraintdef(pg_constraint.oid),
            (
                SELECT 'triggers disabled on ' || string_agg(DISTINCT tgrelid::regclass::text, ' and ')
                FROM pg_trigger
                WHERE tgconstraint = pg_constraint.oid AND tgisinternal AND tgenabled IN ('D', 'R')
            )
        ),
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
                SELECT
                    CONCAT_WS(
                        ', ',
                        'aggregate',
                        aggtransfn,
                        aggfinalfn,
                        aggtranstype::regtype,
                        agginitval,
                        'sort operator ' || NULLIF(aggsortop, 0)::regoperator::text,
                        'moving state ' || NULLIF(aggmtranstype, 0)::regtype::text,
                        'parallel ' || NULLIF(proparallel::text, 'u'),
                        (
                            SELECT string_agg(substr(key, 4) || ' ' || value, ', ' ORDER BY key)
                            FROM jsonb_each_text(to_jsonb(pg_aggregate))
                            WHERE key NOT IN (
                                'aggfnoid', 'aggtransfn', 'aggfinalfn', 'aggtranstype', 'agginitval', 'aggsortop',
                                'aggmtranstype'
                            )
                            AND value NOT IN ('-', '0', 'false', 'n', 'r')  -- the defaults
                        )
                    )
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
            CASE
                WHEN typtype = 'd' AND typcollation <> (
                    SELECT base.typcollation FROM pg_type AS base WHERE base.oid = types.typbasetype
                )
                THEN 'collate ' || typcollation::regcollation::text
            END,
            CASE WHEN typtype = 'b' THEN CONCAT_WS(' ', typinput, typoutput) END,
            (SELECT string_agg(quote_literal(enumlabel), ' ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = types.oid),
            'default ' || typdefault,
            (
                SELECT
                    CONCAT_WS(
                        ', ',
                        format_type(rngsubtype, NULL),
                        CASE WHEN NOT opcdefault THEN 'operator class ' || opcname END,
                        CASE
                            WHEN rngcollation <> (
                                SELECT base.typcollation FROM pg_type AS base WHERE base.oid = rngsubtype
                            )
                            THEN 'collate ' || rngcollation::regcollation::text
                        END,
                        'canonical ' || NULLIF(rngcanonical, 0)::regproc::text,
                        'difference ' || NULLIF(rngsubdiff, 0)::regproc::text
                    )
                FROM pg_range
                JOIN pg_opclass ON pg_opclass.oid = rngsubopc
                WHERE rngtypid = types.oid
            ),
            (
                SELECT
                    string_agg(
                        attname || ' ' || format_type(atttypid, atttypmod)
                        || CASE
                            WHEN attcollation <> base.typcollation THEN ' collate ' || attcollation::regcollation::text
                            ELSE ''
                        END,
                        ' ' ORDER BY attnum
                    )
                FROM pg_attribute
                JOIN pg_type AS base ON base.oid = atttypid
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

    UNION ALL

    -- These two have a line only if they have a comment. The definition is that of the type.
    SELECT 'column ' || typname || '.' || attname, NULL, col_description(attrelid, attnum)
    FROM types
    JOIN pg_attribute ON attrelid = typrelid AND attnum > 0 AND NOT attisdropped

    UNION ALL

    SELECT 'domain constraint ' || typname || '.' || conname, NULL, obj_description(pg_constraint.oid, 'pg_constraint')
    FROM types
    JOIN pg_constraint ON contypid = types.oid
)

SELECT
    thing || ': ' || regexp_replace(replace(definition, quote_ident(current_schema()) || '.', ''), '\s+', ' ', 'g')
        AS line
FROM things
WHERE definition IS NOT NULL

UNION ALL

SELECT 'comment on ' || thing || ': ' || regexp_replace(comment, '\s+', ' ', 'g')
FROM things
WHERE comment IS NOT NULL

ORDER BY line;
