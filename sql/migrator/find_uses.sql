-- find_uses: the objects for which PostgreSQL rejects a DROP without CASCADE. The migrator asks before it begins, and so
-- does a plan. The answer has no row if what is dropped does not exist.
-- :kind  relation (table, view, index, sequence), column, constraint, function, type, schema, extension, collation
--        or text search configuration.
-- :name  its name as in SQL, perhaps with its schema. A function may have its types in parentheses. For a column or a
--        constraint, it is the name of the table.
-- :part  the name of the column or of the constraint, without quotes, or null
WITH RECURSIVE named (classid, objid, objsubid) AS (
    SELECT 'pg_class'::regclass::oid, oid, 0
    FROM pg_class
    WHERE oid = CASE WHEN :kind = 'relation' THEN to_regclass(:name)::oid END
    UNION ALL
    SELECT 'pg_class'::regclass, attrelid, attnum
    FROM pg_attribute
    WHERE attrelid = CASE WHEN :kind = 'column' THEN to_regclass(:name)::oid END
        AND attname = :part::text
        AND NOT attisdropped
    UNION ALL
    SELECT 'pg_constraint'::regclass, oid, 0
    FROM pg_constraint
    WHERE conrelid = CASE WHEN :kind = 'constraint' THEN to_regclass(:name)::oid END AND conname = :part::text
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, 0
    FROM pg_proc
    WHERE oid = CASE
        WHEN :kind = 'function' AND :name LIKE '%(%' THEN to_regprocedure(:name)::oid
        WHEN :kind = 'function' THEN to_regproc(:name)::oid
    END
    UNION ALL
    SELECT 'pg_type'::regclass, oid, 0
    FROM pg_type
    WHERE oid = CASE WHEN :kind = 'type' THEN to_regtype(:name)::oid END
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid, 0
    FROM pg_namespace
    WHERE oid = CASE WHEN :kind = 'schema' THEN to_regnamespace(:name)::oid END
    UNION ALL
    SELECT 'pg_extension'::regclass, oid, 0
    FROM pg_extension
    WHERE :kind = 'extension' AND quote_ident(extname) = :name
    UNION ALL
    SELECT 'pg_collation'::regclass, oid, 0
    FROM pg_collation
    WHERE oid = CASE WHEN :kind = 'collation' THEN to_regcollation(:name)::oid END
    UNION ALL
    SELECT 'pg_ts_config'::regclass, oid, 0
    FROM pg_ts_config
    WHERE :kind = 'text search configuration'
        AND cfgname = (parse_ident(:name))[cardinality(parse_ident(:name))]
        AND CASE cardinality(parse_ident(:name))
            WHEN 1 THEN pg_ts_config_is_visible(oid)
            ELSE cfgnamespace = to_regnamespace(quote_ident((parse_ident(:name))[1]))
        END
),

-- PostgreSQL drops these objects with it, such as the indexes of a table, and the default of a column.
dropped (classid, objid, objsubid) AS (
    SELECT * FROM named
    UNION
    SELECT pg_depend.classid, pg_depend.objid, pg_depend.objsubid
    FROM dropped
    JOIN pg_depend
        ON refclassid = dropped.classid
        AND refobjid = dropped.objid
        AND dropped.objsubid IN (0, refobjsubid)
    WHERE deptype IN ('a', 'i', 'P', 'S', 'e', 'x')
        AND (pg_depend.classid, pg_depend.objid) <> (dropped.classid, dropped.objid)
),

dependent AS (
    SELECT pg_depend.classid, pg_depend.objid, pg_depend.objsubid, false AS is_owner
    FROM dropped
    JOIN pg_depend
        ON refclassid = dropped.classid
        AND refobjid = dropped.objid
        AND dropped.objsubid IN (0, refobjsubid)
    WHERE deptype = 'n'
    UNION
    -- A column may come from a parent.
    SELECT 'pg_class'::regclass, inhparent, 0, false
    FROM named
    JOIN pg_attribute AS child ON :kind = 'column' AND child.attrelid = named.objid AND child.attnum = named.objsubid
    JOIN pg_inherits ON inhrelid = named.objid
    JOIN pg_attribute AS parent ON parent.attrelid = inhparent AND parent.attname = child.attname
    WHERE child.attinhcount > 0 AND NOT parent.attisdropped
    UNION
    -- An index may belong to a constraint, and any object to an extension.
    SELECT refclassid, refobjid, refobjsubid, true
    FROM named
    JOIN pg_depend USING (classid, objid, objsubid)
    WHERE deptype IN ('i', 'P', 'S', 'e')
)

SELECT
    -- An index and its constraint have one name: what has the object is known by its table only.
    CASE
        WHEN is_owner THEN ''
        ELSE COALESCE(
            view.relname, conname, proname, tgname, polname, pubname, attname, relation.relname, typname, nspname, ''
        )
    END::text AS name,
    COALESCE(of_table.relname, '')::text AS of_table,
    CASE
        WHEN view.relkind = 'v' THEN 'view ' || view.oid::regclass
        WHEN view.relkind = 'm' THEN 'materialized view ' || view.oid::regclass
        ELSE pg_describe_object(classid, objid, objsubid)
    END AS object
FROM dependent
LEFT JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = objid
LEFT JOIN pg_class AS view ON view.oid = ev_class
LEFT JOIN pg_class AS relation ON classid = 'pg_class'::regclass AND relation.oid = objid
LEFT JOIN pg_constraint ON classid = 'pg_constraint'::regclass AND pg_constraint.oid = objid
LEFT JOIN pg_proc ON classid = 'pg_proc'::regclass AND pg_proc.oid = objid
LEFT JOIN pg_type ON classid = 'pg_type'::regclass AND pg_type.oid = objid
LEFT JOIN pg_namespace ON classid = 'pg_namespace'::regclass AND pg_namespace.oid = objid
LEFT JOIN pg_trigger ON classid = 'pg_trigger'::regclass AND pg_trigger.oid = objid
LEFT JOIN pg_policy ON classid = 'pg_policy'::regclass AND pg_policy.oid = objid
LEFT JOIN pg_publication_rel ON classid = 'pg_publication_rel'::regclass AND pg_publication_rel.oid = objid
LEFT JOIN pg_publication ON pg_publication.oid = prpubid
LEFT JOIN pg_attrdef ON classid = 'pg_attrdef'::regclass AND pg_attrdef.oid = objid
LEFT JOIN pg_index ON indexrelid = relation.oid
LEFT JOIN pg_attribute
    ON attrelid = COALESCE(adrelid, relation.oid) AND attnum = COALESCE(adnum, NULLIF(objsubid, 0))
LEFT JOIN pg_class AS of_table
    ON of_table.oid = COALESCE(ev_class, conrelid, tgrelid, polrelid, indrelid, attrelid)
WHERE NOT EXISTS (
        SELECT
        FROM dropped
        WHERE (dropped.classid, dropped.objid) = (dependent.classid, dependent.objid)
            AND dropped.objsubid IN (0, dependent.objsubid)
    )
ORDER BY object;
