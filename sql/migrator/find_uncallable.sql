-- find_uncallable: a function that this role may not call, if there is no other one of this name that it may call. The
-- answer has no row if it may, or if there is no such function.
-- :schema  its schema, without quotes. null: those of the search_path.
-- :name    its name, without quotes
SELECT
    pg_describe_object('pg_proc'::regclass, min(oid::bigint)::oid, 0) AS object,
    pg_get_userbyid(min(proowner::bigint)::oid)::text AS owner
FROM pg_proc
WHERE proname = :name
    AND CASE
        WHEN :schema::text IS NULL THEN pg_function_is_visible(oid)
        ELSE pronamespace = to_regnamespace(quote_ident(:schema::text))
    END
HAVING NOT bool_or(has_function_privilege(oid, 'EXECUTE'));
