-- write_digests: for each table, the SELECT that tells its rows apart from any others: their number, and of each column
-- the number of values that are not NULL and the sum of their hashes, each taken together with the primary key, so that
-- values which change places show as well. A type that has no hash function of its own is hashed as text; varchar as
-- text too, so that the two compare.
SELECT
    relname AS name,
    array_agg(attname ORDER BY attnum) FILTER (WHERE attname IS NOT NULL) AS columns,
    array_agg(format_type(atttypid, atttypmod) ORDER BY attnum) FILTER (WHERE attname IS NOT NULL) AS types,
    format(
        'SELECT count(*)%s FROM %s',
        string_agg(
            format(
                ', count(%1$I), sum(hash_record_extended(ROW(%2$s%1$I%3$s), 0))',
                attname,
                key.columns,
                CASE WHEN hashable.type THEN '' ELSE '::text' END
            ),
            '' ORDER BY attnum
        ),
        pg_class.oid::regclass
    ) AS digest
FROM pg_class
LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_type ON pg_type.oid = atttypid
LEFT JOIN LATERAL (
    SELECT EXISTS (
        SELECT
        FROM pg_opclass
        JOIN pg_am ON pg_am.oid = opcmethod
        WHERE amname = 'hash' AND opcdefault AND opcintype = COALESCE(NULLIF(typelem, 0), pg_type.oid)
    ) AS type
) AS hashable ON true
LEFT JOIN LATERAL (
    SELECT COALESCE(string_agg(format('%I, ', member.attname), '' ORDER BY member.attnum), '') AS columns
    FROM pg_index
    JOIN pg_attribute AS member ON member.attrelid = indrelid AND member.attnum = ANY (indkey)
    WHERE indrelid = pg_class.oid AND indisprimary
) AS key ON true
WHERE relkind IN ('r', 'm', 'p')
    AND relnamespace = quote_ident(current_schema())::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
GROUP BY pg_class.oid, relname
ORDER BY relname;
