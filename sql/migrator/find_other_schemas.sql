-- find_other_schemas: the schemas of other owners, which are no part of this project. A dump leaves them out, because this
-- role may not read them. Each is written as pg_dump wants it: quoted if it is not a plain word.
SELECT quote_ident(nspname) AS name
FROM pg_namespace
WHERE nspname NOT IN ('information_schema', current_schema())
    AND nspname NOT LIKE 'pg\_%'
    AND NOT pg_has_role(nspowner, 'USAGE')
ORDER BY name;
