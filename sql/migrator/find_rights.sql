-- find_rights: the role of this session, a schema, and whether the role may create tables in it. The last is null if there
-- is no such schema.
-- :schema  its name, without quotes. null: the schema that new tables go to.
WITH place AS (SELECT quote_ident(COALESCE(:schema::text, current_schema())) AS name)

SELECT
    quote_ident(current_user) AS role,
    name AS schema,
    has_schema_privilege(to_regnamespace(name), 'CREATE') AS may_create
FROM place;
