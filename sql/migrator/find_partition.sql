-- find_partition: whether a table is a partition of another one, and whether an interruption left it half detached. The
-- migrator asks before it detaches or attaches a partition without a transaction. No row: there is no such table.
-- :parent     name of the partitioned table, quoted as in SQL, and perhaps with its schema
-- :partition  name of the other table, likewise
SELECT
    inhrelid IS NOT NULL AS is_attached,
    coalesce(inhdetachpending, false) AS is_pending
FROM pg_class
LEFT JOIN pg_inherits ON inhrelid = pg_class.oid AND inhparent = to_regclass(:parent)
WHERE pg_class.oid = to_regclass(:partition);
