-- find_references: the tables that each table refers to by foreign keys. A review fills these first.
-- :names  names of the tables, as an array
SELECT
    name,
    ARRAY(
        SELECT other
        FROM pg_constraint
        JOIN unnest(:names::text[]) AS other ON confrelid = to_regclass(quote_ident(other))
        WHERE contype = 'f' AND conrelid = to_regclass(quote_ident(name)) AND other <> name
        ORDER BY other
    ) AS referred
FROM unnest(:names::text[]) AS name
ORDER BY name;
