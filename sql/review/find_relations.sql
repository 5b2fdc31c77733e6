-- find_relations: the tables and indexes that others' sessions could meet, with the file that each lies in. Nobody writes
-- to a materialized view, but for REFRESH. A file of another number is a relation written anew: rewritten, truncated or
-- rebuilt. A name has its schema where the search path does not lead to it.
SELECT
    relation.oid::bigint,
    relation.oid::regclass::text AS name,
    owner.oid::regclass::text AS table_name,
    pg_relation_filenode(relation.oid)::bigint AS file,
    owner.relkind = 'm' AS is_view
FROM pg_class AS relation
LEFT JOIN pg_index ON indexrelid = relation.oid
JOIN pg_class AS owner ON owner.oid = COALESCE(indrelid, relation.oid)
WHERE relation.relkind IN ('r', 'p', 'm', 'i', 'I')
    AND relation.relpersistence <> 't'
    AND relation.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY relation.oid;
