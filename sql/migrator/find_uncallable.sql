-- find_uncallable: a function that this role may not call, if there is no other one of this name that it may call. The
-- answer has no row if it may, or if there is no such function.
-- :schema  its schema, without quotes. null: those of the search_path.
-- :name    its name, without quotes
-- :table   the table, as in SQL, for whose rows the function is called. Without storage, there is no call. null: none
-- :is_index  whether an index calls it. Then the statistics have to know rows of the table.
SELECT
    pg_describe_object('pg_proc'::regclass, min(oid::bigint)::oid, 0) AS object,
    pg_get_userbyid(min(proowner::bigint)::oid)::text AS owner
FROM pg_proc
WHERE proname = :name
    AND CASE
        WHEN :schema::text IS NULL THEN pg_function_is_visible(oid)
        ELSE pronamespace = to_regnamespace(quote_ident(:schema::text))
    END
    AND (
        :table::text IS NULL
        OR EXISTS (
            SELECT
            FROM pg_class
            WHERE pg_class.oid = to_regclass(:table)
                AND relkind IN ('r', 'm')
                AND (NOT :is_index OR reltuples > 0 OR pg_stat_get_live_tuples(pg_class.oid) > 0)
        )
    )
HAVING NOT bool_or(has_function_privilege(oid, 'EXECUTE'));
