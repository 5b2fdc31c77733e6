-- plan_backfill: the table of a backfill, its estimated rows, whether it has a key of these columns, and three queries.
-- The queries find the ranges of the batches. PostgreSQL writes them, because it quotes the names.
-- The rows of a table that was never analyzed are those that the statistics of writes counted.
-- The rows of a partitioned table are those of its partitions, because autovacuum does not analyze the table itself.
-- A key has a valid index of these columns in this order, without conditions and expressions, and all of them ascending
-- or all descending. No two rows have the same key: the columns contain those of a unique index. They are NOT NULL.
-- * first_key and last_key return the first and the last key of the table as an array of texts, or no row.
-- * batch has the parameters: the first key of the batch, the last key of all, and a number of rows. It returns the last
--   row of that many and the row before it, each as its number from 1 and its key.
-- key_order has the type and the collation of each column of the key. With another one, the recorded position would be
-- at another place. Integers of all sizes have the same order, and so have text and varchar.
-- It returns no row if there is no such table.
-- :table    name of the table, as in SQL.
-- :columns  names of the key's columns, an array.
WITH target AS (
    SELECT
        oid,
        oid::regclass::text AS name,
        (
            SELECT COALESCE(
                sum(CASE WHEN part.reltuples >= 0 THEN part.reltuples ELSE pg_stat_get_live_tuples(part.oid) END), 0
            )
            FROM (
                SELECT pg_class.oid AS leaf

                UNION

                SELECT relid
                FROM pg_partition_tree(pg_class.oid)
            ) AS leaves
            JOIN pg_class AS part ON part.oid = leaf
            WHERE part.relkind <> 'p'
        )::bigint AS rows_expected
    FROM pg_class
    WHERE oid = to_regclass(:table) AND relkind IN ('r', 'p')
),

words AS (
    SELECT
        string_agg(quote_ident(name), ', ' ORDER BY number) AS names,
        string_agg(quote_ident(name) || ' DESC', ', ' ORDER BY number) AS descending,
        string_agg(quote_ident(name) || '::text', ', ' ORDER BY number) AS texts,
        string_agg('$' || number, ', ' ORDER BY number) AS low,
        string_agg('$' || number + cardinality(:columns::text[]), ', ' ORDER BY number) AS high
    FROM unnest(:columns::text[]) WITH ORDINALITY AS given (name, number)
),

indexes AS (
    SELECT
        indisunique,
        array_agg(attname::text ORDER BY number) AS columns,
        bool_and(attnotnull) AS is_not_null,
        min(option) = max(option) AS has_one_direction
    FROM target
    JOIN pg_index ON indrelid = target.oid
    JOIN pg_class AS index ON index.oid = indexrelid
    JOIN pg_am ON pg_am.oid = index.relam
    CROSS JOIN LATERAL unnest(indkey::smallint[], indoption::smallint[]) WITH ORDINALITY AS part (attnum, option, number)
    JOIN pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = part.attnum
    WHERE amname = 'btree'
        AND indisvalid
        AND indpred IS NULL
        AND indexprs IS NULL
        AND number <= indnkeyatts
    GROUP BY indexrelid, indisunique
)

SELECT
    target.name,
    target.rows_expected,
    EXISTS (SELECT FROM indexes WHERE columns = :columns::text[] AND is_not_null AND has_one_direction)
    AND EXISTS (SELECT FROM indexes WHERE columns <@ :columns::text[] AND is_not_null AND indisunique) AS has_key,
    (
        SELECT
            array_agg(
                CASE
                    WHEN atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'
                    WHEN atttypid = 'varchar'::regtype THEN 'text'
                    ELSE format_type(atttypid, NULL)
                END || COALESCE(' ' || NULLIF(attcollation, 0)::regcollation::text, '') ORDER BY number
            )
        FROM unnest(:columns::text[]) WITH ORDINALITY AS given (name, number)
        JOIN pg_attribute ON attrelid = target.oid AND attname = given.name
    ) AS key_order,
    format('SELECT ARRAY[%s] FROM %s ORDER BY %s LIMIT 1', texts, target.name, names) AS first_key,
    format('SELECT ARRAY[%s] FROM %s ORDER BY %s LIMIT 1', texts, target.name, descending) AS last_key,
    format(
        'SELECT number, ARRAY[%s] FROM (SELECT %s, row_number() OVER (ORDER BY %s) AS number FROM %s '
        'WHERE (%s) >= (%s) AND (%s) <= (%s) ORDER BY %s LIMIT $%s) AS batch ORDER BY number DESC LIMIT 2',
        texts, names, names, target.name, names, low, names, high, names, 2 * cardinality(:columns::text[]) + 1
    ) AS batch
FROM target
CROSS JOIN words;
