-- find_view_columns: the columns of a view in their order, which CREATE OR REPLACE VIEW has to keep. The answer has no row
-- if there is no such view.
-- :name  the view as in SQL, perhaps with its schema
SELECT pg_describe_object('pg_class'::regclass, pg_class.oid, 0) AS object, array_agg(attname::text ORDER BY attnum) AS names
FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
WHERE pg_class.oid = to_regclass(:name) AND relkind = 'v'
GROUP BY pg_class.oid;
