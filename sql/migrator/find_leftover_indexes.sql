-- find_leftover_indexes: the INVALID indexes that an interrupted REINDEX CONCURRENTLY left. The migrator drops them before it
-- runs the REINDEX again. They are indexes of the table, of its partitions, or of their TOAST tables. PostgreSQL names them so.
-- :name  name of the table or index, quoted as in SQL, and perhaps with its schema
SELECT leftover.indexrelid::regclass::text AS name
FROM pg_class AS named
LEFT JOIN pg_index AS own ON own.indexrelid = named.oid
JOIN pg_class AS indexed ON indexed.oid = coalesce(own.indrelid, named.oid)
CROSS JOIN LATERAL (
    SELECT indexed.oid
    UNION
    SELECT relid FROM pg_partition_tree(indexed.oid)
) AS part (table_oid)
JOIN pg_class AS part_class ON part_class.oid = part.table_oid
JOIN pg_index AS leftover ON leftover.indrelid IN (part_class.oid, part_class.reltoastrelid)
JOIN pg_class ON pg_class.oid = leftover.indexrelid
WHERE named.oid = to_regclass(:name)
    AND NOT leftover.indisvalid
    AND pg_class.relname ~ '_cc(new|old)[0-9]*$'
ORDER BY pg_class.relname;
