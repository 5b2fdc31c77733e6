-- find_closed: a schema in which this role may look up no name. The answer has no row if it may, or if there is no such
-- schema.
-- :name  the schema, without quotes
SELECT nspname::text AS name
FROM pg_namespace
WHERE nspname = :name
    AND NOT has_schema_privilege(oid, 'USAGE');
