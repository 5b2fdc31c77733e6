-- list_tags: returns a page of the tags that images have, in the order of the code points of their keys, for GET
-- /v1/tags. A tag is shown as the oldest image has it. It does not read the whole index: it finds each term with a
-- look-up from the term before. Until 0078 has run, some terms are tags as they are written. Their rows have no json. It counts up to 1,001 images of
-- each. For more it estimates: the share that ANALYZE found, of the current number of entries in image_terms. That
-- number assumes that the pages are as full as ANALYZE found them. The estimate is at least 1,001.
-- $1 text    the beginning of each key; '' for all tags
-- $2 text    the last text with this beginning: $1 and U+10FFFF, as often as a key may have characters
-- $3 text    only keys after this one; '' for the first page
-- $4 bigint  maximum of rows
-- Index: image_terms_term_idx, a look-up and at most 1,001 entries for each tag. Also image_terms_pkey and images_pkey, an
-- entry and a row for each tag. pg_statistic for the shares.
-- example first page: '', repeat(U&'\+10FFFF', 300), '', 50
-- example the last pages: '', repeat(U&'\+10FFFF', 300), 'place-995', 50
-- example common tags: 'city-', 'city-' || repeat(U&'\+10FFFF', 300), '', 50
-- example rare tags: 'place-1', 'place-1' || repeat(U&'\+10FFFF', 300), 'place-1500', 50
-- example one tag: 'str', 'str' || repeat(U&'\+10FFFF', 300), '', 50
-- example no such tag: 'none', 'none' || repeat(U&'\+10FFFF', 300), '', 50
WITH RECURSIVE listed (term, number) AS (
    (
        SELECT
            term COLLATE "C",
            1
        FROM image_terms
        WHERE term COLLATE "C" >= 'tag:' || $1
            AND term COLLATE "C" > 'tag:' || $3
            AND term COLLATE "C" <= 'tag:' || $2
        ORDER BY term COLLATE "C"
        LIMIT 1
    )

    UNION ALL

    SELECT
        following.term,
        number + 1
    FROM listed
    CROSS JOIN LATERAL (
        SELECT term COLLATE "C"
        FROM image_terms
        WHERE term COLLATE "C" > listed.term
            AND term COLLATE "C" <= 'tag:' || $2
        ORDER BY term COLLATE "C"
        LIMIT 1
    ) AS following (term)
    WHERE number < $4::bigint
),

entries (number) AS MATERIALIZED (
    SELECT reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::bigint
    FROM pg_class
    WHERE oid = 'image_terms'::regclass
        AND relpages > 0
),

common AS MATERIALIZED (
    SELECT
        term,
        share
    FROM pg_stats
    CROSS JOIN LATERAL unnest(most_common_vals::text::text[], most_common_freqs) AS found (term, share)
    WHERE schemaname = (
            SELECT nspname
            FROM pg_namespace
            JOIN pg_class ON relnamespace = pg_namespace.oid
            WHERE pg_class.oid = 'image_terms'::regclass
        )
        AND tablename = 'image_terms'
        AND attname = 'term'
)

SELECT
    key,
    CASE WHEN images_tag_key(key) = key THEN row_to_json(described) END AS json
FROM listed
CROSS JOIN LATERAL (SELECT substr(listed.term, 5)) AS keyed (key)
CROSS JOIN LATERAL (
    SELECT count(*) AS counted
    FROM (
        SELECT
        FROM image_terms
        WHERE term COLLATE "C" = listed.term
        ORDER BY term COLLATE "C"
        LIMIT 1001
    ) AS entry
) AS exact
CROSS JOIN LATERAL (
    SELECT
        COALESCE(
            (
                SELECT written.tag
                FROM (
                    SELECT image_id
                    FROM image_terms
                    WHERE term = listed.term COLLATE "default"
                    ORDER BY term, created_at, image_id
                    LIMIT 1
                ) AS first
                JOIN images ON images.id = first.image_id
                CROSS JOIN LATERAL unnest(images.tags) WITH ORDINALITY AS written (tag, place)
                WHERE images_tag_key(written.tag) = key
                ORDER BY written.place
                LIMIT 1
            ),
            key
        ) AS tag,
        CASE
            WHEN counted <= 1000 THEN counted
            ELSE GREATEST(
                1001,
                (SELECT share * number FROM common CROSS JOIN entries WHERE common.term = listed.term)::bigint
            )
        END AS images,
        counted > 1000 AS estimated
) AS described
ORDER BY listed.term;
