-- find_missing_roles: the roles of a project that the server does not have. Without them, a dump of the schema would have
-- none of their rights.
-- :names  names of roles, as an array
SELECT name
FROM unnest(:names::text[]) AS name
WHERE to_regrole(quote_ident(name)) IS NULL
ORDER BY name;
