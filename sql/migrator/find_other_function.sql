-- find_other_function: a function that CREATE OR REPLACE would change in a way that PostgreSQL rejects. The answer also has
-- a word for what differs, and what the function has now. It has no row if there is no such function or no difference.
-- :name          the function as in SQL, with the types of its parameters in parentheses.
-- :is_procedure  whether the new one is a procedure.
-- :result        the type of its result as in SQL. null: not known.
-- :is_set        whether it returns a set.
-- :parameters    the names of its input parameters in their order. '' is one without a name.
-- :defaults      how many of them have a default.
WITH found AS (
    SELECT oid, prokind, prorettype, proretset, pronargdefaults, ARRAY(
        SELECT COALESCE(parameter.name, '')
        FROM unnest(proargnames, proargmodes) WITH ORDINALITY AS parameter (name, mode, place)
        WHERE COALESCE(mode, 'i') IN ('i', 'b', 'v')
        ORDER BY place
    ) AS names
    FROM pg_proc
    WHERE oid = to_regprocedure(:name)::oid
)

SELECT pg_describe_object('pg_proc'::regclass, oid, 0) AS object, differs, now
FROM found
CROSS JOIN LATERAL (
    VALUES
        (1, 'kind', CASE prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, (prokind = 'p') <> :is_procedure),
        (
            2, 'result', CASE WHEN proretset THEN 'SETOF ' ELSE '' END || format_type(prorettype, NULL),
            prokind = 'f' AND (prorettype <> to_regtype(:result)::oid OR (proretset <> :is_set AND :result IS NOT NULL))
        ),
        (3, 'parameters', array_to_string(names, ', '), EXISTS (
            SELECT
            FROM unnest(names, :parameters::text[]) AS parameter (old, new)
            WHERE old <> '' AND new IS DISTINCT FROM old
        )),
        (4, 'defaults', pronargdefaults::text, pronargdefaults > :defaults)
) AS difference (place, differs, now, is_other)
WHERE is_other
ORDER BY place
LIMIT 1;
