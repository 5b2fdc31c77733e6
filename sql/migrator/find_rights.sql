-- find_rights: the role of this session, the schema that new tables go to, and whether the role may create tables in it.
SELECT
    quote_ident(current_user) AS role,
    quote_ident(current_schema()) AS schema,
    has_schema_privilege(current_schema(), 'CREATE') AS may_create;
