-- read_types: returns the types of the parameters of the prepared statement `asked`, and those of its columns.
-- PostgreSQL 15 does not tell the types of the columns: then there are none.
SELECT
    ARRAY(
        SELECT typname
        FROM unnest(parameter_types) WITH ORDINALITY AS parameter (type, place)
        JOIN pg_type ON pg_type.oid = type
        ORDER BY place
    ) AS parameters,
    ARRAY(
        SELECT typname
        FROM jsonb_array_elements_text(
            CASE WHEN jsonb_typeof(facts -> 'result_types') = 'array' THEN facts -> 'result_types' ELSE '[]' END
        ) WITH ORDINALITY AS result (type, place)
        JOIN pg_type ON pg_type.oid = type::regtype
        ORDER BY place
    ) AS columns
FROM pg_prepared_statements
CROSS JOIN LATERAL to_jsonb(pg_prepared_statements) AS facts
WHERE name = 'asked';
