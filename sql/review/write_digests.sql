-- write_digests: writes, for each table of any schema, the SELECT that returns a digest of its rows. It returns the
-- number of rows and, for each column, the number of values that are not NULL and the sum of their hashes. The hash of
-- the primary key is the seed of each hash, so the digest also changes if two rows exchange values. A type without a
-- hash function is hashed as text. varchar is too, so that it compares with text.
-- Each column also has two statements: keep and count_lost. The first stores the hashes of its values in kept_values.
-- The second counts the stored values that the column no longer has.
WITH columns AS (
    SELECT
        attrelid,
        attnum,
        attname,
        format_type(atttypid, atttypmod) AS type,
        format(
            'ROW(%I%s)',
            attname,
            CASE
                WHEN CASE typcategory WHEN 'A' THEN typelem ELSE pg_type.oid END IN (
                    SELECT opcintype
                    FROM pg_opclass
                    JOIN pg_am ON pg_am.oid = opcmethod
                    WHERE amname = 'hash' AND opcdefault
                )
                THEN ''
                ELSE '::text'
            END
        ) AS value
    FROM pg_attribute
    JOIN pg_type ON pg_type.oid = atttypid
    WHERE attnum > 0 AND NOT attisdropped
),

keys AS (
    SELECT
        indrelid,
        string_agg(format('hash_record_extended(%s, %s)', value, attnum), ' # ' ORDER BY attnum) AS seed
    FROM pg_index
    JOIN columns ON attrelid = indrelid AND attnum = ANY (indkey)
    WHERE indisprimary
    GROUP BY indrelid
)

SELECT
    pg_class.oid::regclass::text AS name,
    relkind = 'm' AS is_view,
    format(
        'SELECT count(*)%s FROM %s',
        string_agg(
            format(', count(%I), sum(hash_record_extended(%s, %s))', attname, value, COALESCE(seed, '0')),
            '' ORDER BY attnum
        ),
        pg_class.oid::regclass
    ) AS digest,
    array_agg(attname ORDER BY attnum) FILTER (WHERE attname IS NOT NULL) AS columns,
    array_agg(type ORDER BY attnum) FILTER (WHERE attname IS NOT NULL) AS types,
    array_agg(
        format(
            'INSERT INTO pg_temp.kept_values SELECT %L, %L, hash_record_extended(%s, %s) FROM %s WHERE %I IS NOT NULL',
            pg_class.oid::regclass, attname, value, COALESCE(seed, '0'), pg_class.oid::regclass, attname
        )
        ORDER BY attnum
    ) FILTER (WHERE attname IS NOT NULL) AS keep,
    array_agg(
        format(
            'SELECT count(*) FROM (SELECT hash FROM pg_temp.kept_values WHERE table_name = %L AND column_name = %L'
                ' EXCEPT ALL SELECT hash_record_extended(%s, %s) FROM %s WHERE %I IS NOT NULL) AS lost',
            pg_class.oid::regclass, attname, value, COALESCE(seed, '0'), pg_class.oid::regclass, attname
        )
        ORDER BY attnum
    ) FILTER (WHERE attname IS NOT NULL) AS count_lost
FROM pg_class
LEFT JOIN columns ON attrelid = pg_class.oid
LEFT JOIN keys ON indrelid = pg_class.oid
WHERE relkind IN ('r', 'm', 'p')
    AND relpersistence <> 't'
    AND relispopulated
    AND relname NOT LIKE '%yoyo\_%'
    AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
GROUP BY pg_class.oid
ORDER BY name;
