-- find_relations: finds the tables and indexes that other sessions could use, each with the number of its file. If the
-- number changes, the relation was rewritten, truncated or rebuilt. Only REFRESH writes to a materialized view. A name
-- has its schema if the search path does not include it.
SELECT
    relation.oid::bigint,
    relation.oid::regclass::text AS name,
    owner.oid::regclass::text AS table_name,
    owner.oid::bigint AS table_oid,
    pg_relation_filenode(relation.oid)::bigint AS file,
    owner.relkind = 'm' AS is_view
FROM pg_class AS relation
LEFT JOIN pg_index ON indexrelid = relation.oid
JOIN pg_class AS owner ON owner.oid = COALESCE(indrelid, relation.oid)
WHERE relation.relkind IN ('r', 'p', 'm', 'i', 'I')
    AND relation.relpersistence <> 't'
    AND relation.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY relation.oid;
