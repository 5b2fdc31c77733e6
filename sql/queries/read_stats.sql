-- read_stats: returns how many images, bytes and tags there are, for GET /v1/stats.
-- If there are few images, it reads all of them. Otherwise it estimates the figures that would take longer with each
-- image, and returns their names:
-- * images: the number if the pages of the table are as full as the last ANALYZE or VACUUM found them. Without such a
--   run, the number if all pages are as full as the first 100. Partitions of the table are added up.
-- * bytes: the 1,000 largest images are added up, and the others are estimated from the sample. So a few images that
--   are larger than all others do not matter. The sample has 1,000 images from a random id on. The ids are random, so it
--   is a random sample.
-- * content_types: from the sample. A media type of at most 1,000 images is counted.
-- * tags: ANALYZE's estimate of the distinct terms, at least the number in the sample. The estimate is better for terms
--   that occur more often.
-- Bounds of created_at and of the ids, within which all images are, tell the planner that few rows are read. Without
-- statistics it would otherwise sort the whole table. (It does not know a bound that comes from a SELECT of its own.)
-- $1 bigint  the number of images up to which all are read
-- Index: four, and more images do not cost more:
-- * images_created_at_id_idx: $1 entries, and the first and the last
-- * images_byte_size_id_created_at_idx: 1,000 entries, and their rows if VACUUM has not seen them yet
-- * images_pkey: 1,000 rows, or all if they are few
-- * image_terms_term_idx: a look-up and at most 1,001 entries for each media type
-- example many images: 10000
WITH RECURSIVE large (yes) AS MATERIALIZED (
    SELECT
        EXISTS (
            SELECT
            FROM images
            WHERE created_at >= (SELECT '-infinity'::timestamptz)
                AND created_at <= 'infinity'
            ORDER BY created_at DESC, id DESC
            LIMIT 1 OFFSET $1::bigint
        )
),

start (id) AS MATERIALIZED (
    SELECT CASE WHEN yes THEN gen_random_uuid() ELSE '00000000-0000-0000-0000-000000000000' END
    FROM large
),

sample AS MATERIALIZED (
    (
        SELECT id, byte_size, content_type, tags
        FROM images
        WHERE id >= (SELECT id FROM start)
            AND id <= 'ffffffff-ffff-ffff-ffff-ffffffffffff'
        ORDER BY id
        LIMIT CASE WHEN (SELECT yes FROM large) THEN 1000 ELSE $1 END
    )

    UNION ALL

    (
        SELECT id, byte_size, content_type, tags
        FROM images
        WHERE id < (SELECT id FROM start)
            AND id >= '00000000-0000-0000-0000-000000000000'
        ORDER BY id
        LIMIT 1000
    )

    LIMIT CASE WHEN (SELECT yes FROM large) THEN 1000 ELSE $1 END
),

largest AS MATERIALIZED (
    SELECT byte_size, id
    FROM images
    WHERE (SELECT yes FROM large)
        AND byte_size <= 9223372036854775807
    ORDER BY byte_size DESC, id DESC
    LIMIT 1000
),

-- the bytes and the number of the largest images, and the smallest of them
top (bytes, number, byte_size, id) AS MATERIALIZED (
    SELECT
        sum(byte_size),
        count(*),
        (array_agg(byte_size ORDER BY byte_size, id))[1],
        (array_agg(id ORDER BY byte_size, id))[1]
    FROM largest
),

-- each table, or each of its partitions
pages AS MATERIALIZED (
    SELECT
        root,
        CASE WHEN reltuples > 0 AND relpages > 0 THEN reltuples / relpages END AS rows_each,
        pg_relation_size(oid) / current_setting('block_size')::bigint AS number
    FROM (VALUES ('images'::regclass), ('image_terms'::regclass)) AS counted (root)
    CROSS JOIN LATERAL (
        SELECT root AS leaf

        UNION

        SELECT relid
        FROM pg_partition_tree(root)
    ) AS leaves
    JOIN pg_class ON oid = leaf
    WHERE relkind = 'r'
),

total (images) AS MATERIALIZED (
    SELECT
        CASE
            WHEN NOT (SELECT yes FROM large) THEN (SELECT count(*) FROM sample)
            ELSE GREATEST(
                $1 + 1,
                (
                    SELECT
                        sum(
                            number * COALESCE(
                                rows_each,
                                (SELECT count(*) FROM images WHERE ctid < '(100,0)')
                                / (SELECT sum(LEAST(100, number)) FROM pages WHERE root = 'images'::regclass)::float
                            )
                        )::bigint
                    FROM pages
                    WHERE root = 'images'::regclass AND number > 0
                )
            )
        END
),

types (term, number) AS (
    (
        SELECT
            term COLLATE "C",
            1
        FROM image_terms
        WHERE term COLLATE "C" >= 'type:'
            AND term COLLATE "C" < 'type;'
        ORDER BY term COLLATE "C"
        LIMIT 1
    )

    UNION ALL

    SELECT
        following.term,
        number + 1
    FROM types
    CROSS JOIN LATERAL (
        SELECT term COLLATE "C"
        FROM image_terms
        WHERE term COLLATE "C" > types.term
            AND term COLLATE "C" < 'type;'
        ORDER BY term COLLATE "C"
        LIMIT 1
    ) AS following (term)
    WHERE number < 100
),

content_types AS (
    SELECT
        content_type,
        CASE
            WHEN NOT (SELECT yes FROM large) THEN sampled
            WHEN counted <= 1000 THEN counted
            ELSE GREATEST(1001, sampled * (SELECT images FROM total) / 1000)
        END AS images
    FROM types
    CROSS JOIN LATERAL (SELECT substr(term, 6)) AS named (content_type)
    CROSS JOIN LATERAL (
        SELECT count(*) AS sampled
        FROM sample
        WHERE sample.content_type = named.content_type
    ) AS among
    CROSS JOIN LATERAL (
        SELECT count(*) AS counted
        FROM (
            SELECT
            FROM image_terms
            WHERE term COLLATE "C" = types.term
            ORDER BY term COLLATE "C"
            LIMIT 1001
        ) AS entry
    ) AS exact
),

distinct_terms (number) AS (
    SELECT
        CASE
            WHEN n_distinct < 0
                THEN -n_distinct * (SELECT sum(rows_each * number) FROM pages WHERE root = 'image_terms'::regclass)
            ELSE n_distinct
        END
    FROM pg_stats
    WHERE schemaname = (
            SELECT nspname
            FROM pg_namespace
            JOIN pg_class ON relnamespace = pg_namespace.oid
            WHERE pg_class.oid = 'image_terms'::regclass
        )
        AND tablename = 'image_terms'
        AND attname = 'term'
)

SELECT row_to_json(stats) AS stats
FROM (
    SELECT
        (SELECT images FROM total) AS images,
        (
            SELECT
                COALESCE(
                    CASE
                        WHEN (SELECT yes FROM large)
                            THEN top.bytes + round(
                                COALESCE(
                                    avg(sample.byte_size) FILTER (
                                        WHERE (sample.byte_size, sample.id) < (top.byte_size, top.id)
                                    ),
                                    0
                                ) * GREATEST((SELECT images FROM total) - top.number, 0)
                            )
                        ELSE sum(sample.byte_size)
                    END,
                    0
                )
            FROM top
            LEFT JOIN sample ON true
            GROUP BY top.bytes, top.number
        ) AS bytes,
        (
            SELECT COALESCE(json_object_agg(content_type, images ORDER BY images DESC, content_type), '{}')
            FROM content_types
        ) AS content_types,
        (
            SELECT
                GREATEST(
                    count(DISTINCT images_tag_key(tag)),
                    (
                        SELECT number::bigint - (SELECT count(*) FROM types)
                        FROM distinct_terms
                        WHERE (SELECT yes FROM large)
                    )
                )
            FROM (
                SELECT DISTINCT tag
                FROM sample
                CROSS JOIN LATERAL unnest(tags) AS tag
                WHERE char_length(tag) <= 100
            ) AS written
            WHERE images_tag_key(tag) <> ''
        ) AS tags,
        (SELECT created_at FROM images ORDER BY created_at, id LIMIT 1) AS oldest,
        (SELECT created_at FROM images ORDER BY created_at DESC, id DESC LIMIT 1) AS newest,
        CASE WHEN (SELECT yes FROM large) THEN '{images,bytes,content_types,tags}' ELSE '{}'::text[] END AS estimated
) AS stats;
