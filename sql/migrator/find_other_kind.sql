-- find_other_kind: a table, view, index or sequence that is not of the kind that a statement names, so that PostgreSQL
-- rejects the statement. The answer has no row if it is, or if it does not exist.
-- :name   its name as in SQL, perhaps with its schema
-- :kinds  the kinds that the statement accepts, as in pg_class.relkind
SELECT pg_describe_object('pg_class'::regclass, oid, 0) AS object
FROM pg_class
WHERE oid = to_regclass(:name) AND relkind::text <> ALL (:kinds::text[]);
