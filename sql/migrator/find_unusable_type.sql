-- find_unusable_type: a type without the right USAGE for this role, so that it may not make columns or functions of it.
-- The answer has no row if the role may, or if there is no such type.
-- :name  the type, quoted as in SQL, and perhaps with its schema
SELECT pg_describe_object('pg_type'::regclass, oid, 0) AS object, pg_get_userbyid(typowner)::text AS owner
FROM pg_type
WHERE oid = to_regtype(:name)::oid AND NOT has_type_privilege(oid, 'USAGE');
