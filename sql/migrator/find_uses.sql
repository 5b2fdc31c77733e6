-- find_uses: the objects for which PostgreSQL rejects DROP COLUMN or DROP TABLE without CASCADE. The migrator
-- asks before it begins, and so does a plan. The answer has no row if the table does not exist.
-- :table    the table, quoted as in SQL, and perhaps with its schema
-- :columns  names of the columns, as an array; null: the whole table
WITH dropped AS (
    SELECT pg_class.oid AS refobjid, COALESCE(attnum, 0) AS refobjsubid
    FROM pg_class
    LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attname = ANY (:columns::text[]) AND NOT attisdropped
    WHERE pg_class.oid = to_regclass(:table) AND (:columns::text[] IS NULL OR attnum IS NOT NULL)
),

dependent AS (
    SELECT DISTINCT classid, objid, objsubid
    FROM pg_depend
    JOIN dropped USING (refobjid)
    WHERE refclassid = 'pg_class'::regclass
        AND deptype = 'n'
        AND (pg_depend.refobjsubid = dropped.refobjsubid OR :columns::text[] IS NULL)

    EXCEPT

    -- These objects go with the column or the table.
    SELECT classid, objid, objsubid
    FROM pg_depend
    JOIN dropped USING (refobjid)
    WHERE refclassid = 'pg_class'::regclass
        AND deptype IN ('a', 'i')
        AND (pg_depend.refobjsubid = dropped.refobjsubid OR :columns::text[] IS NULL)
)

SELECT
    COALESCE(view.relname, conname, proname, tgname, polname, pubname, '')::text AS name,
    COALESCE(of_table.relname, '')::text AS of_table,
    CASE
        WHEN view.relkind = 'v' THEN 'view ' || view.oid::regclass
        WHEN view.relkind = 'm' THEN 'materialized view ' || view.oid::regclass
        ELSE pg_describe_object(classid, objid, objsubid)
    END AS object
FROM dependent
LEFT JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = objid
LEFT JOIN pg_class AS view ON view.oid = ev_class
LEFT JOIN pg_constraint ON classid = 'pg_constraint'::regclass AND pg_constraint.oid = objid
LEFT JOIN pg_proc ON classid = 'pg_proc'::regclass AND pg_proc.oid = objid
LEFT JOIN pg_trigger ON classid = 'pg_trigger'::regclass AND pg_trigger.oid = objid
LEFT JOIN pg_policy ON classid = 'pg_policy'::regclass AND pg_policy.oid = objid
LEFT JOIN pg_publication_rel ON classid = 'pg_publication_rel'::regclass AND pg_publication_rel.oid = objid
LEFT JOIN pg_publication ON pg_publication.oid = prpubid
LEFT JOIN pg_class AS of_table ON of_table.oid = COALESCE(ev_class, conrelid, tgrelid, polrelid)
ORDER BY object;
