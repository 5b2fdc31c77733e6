-- count_images: returns how many images match, and whether that is an estimate, for GET /v1/images?total=.
-- First it estimates. The share of the matches among 1,000 images is multiplied by the number of rows. That number
-- assumes that the pages of the table are as full as the last ANALYZE or VACUUM found them. The ids are random, so the
-- images from a random id on are a random sample. If the estimate is more than three times $6, it is the answer.
-- Otherwise it counts up to $6 + 1 matches. OFFSET 0 keeps the period out of the look-up. The limit of the sample comes
-- from a SELECT, so the planner expects few rows, and reads them in the order of the index. Otherwise it would sort the
-- table.
-- $1 text[]                the terms: tag:..., type:...; may be empty
-- $2 text                  words as people write them (images_word_query), or NULL
-- $3 timestamptz           only images of this time or later
-- $4 timestamptz, $5 uuid  and before this position in time; 'infinity' or similar for no limit
-- $6 bigint                the number of matches up to which the answer is exact
-- Index: images_pkey and image_words_pkey for the sample. Then image_words_words_idx, or images_created_at_id_idx if
-- there are no terms and words: $6 + 1 rows. Not bounded: a period without most of the matches, because they are skipped.
-- example all images: '{}', NULL, '-infinity', 'infinity', md5('')::uuid, 1000
-- example a period: '{}', NULL, '2020-01-01 04:00Z', '2020-01-01 08:00Z', md5('')::uuid, 1000
-- example a common word: '{}', 'harbour', '-infinity', 'infinity', md5('')::uuid, 1000
-- example a rare word: '{}', '777777', '-infinity', 'infinity', md5('')::uuid, 1000
-- example the beginning of a term, and of no word: '{}', 'typ', '-infinity', 'infinity', md5('')::uuid, 1000
-- example a common tag and word: '{tag:street}', 'harbour', '-infinity', 'infinity', md5('')::uuid, 1000
-- example a rare tag: '{tag:eclipse}', NULL, '-infinity', 'infinity', md5('')::uuid, 1000
-- example no words: '{}', '?', '-infinity', 'infinity', md5('')::uuid, 1000
WITH sought (query) AS MATERIALIZED (
    SELECT images_word_query($1, $2, 'whole')
),

indexed (queries) AS MATERIALIZED (
    SELECT images_index_queries($1, $2, query)
    FROM sought
),

has_words (yes) AS MATERIALIZED (
    SELECT $2::text IS NOT NULL OR $1::text[] <> '{}'
),

start (id) AS MATERIALIZED (
    SELECT gen_random_uuid()
),

sample AS MATERIALIZED (
    SELECT id, created_at
    FROM images
    WHERE id >= (SELECT id FROM start)
        AND id <= 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    ORDER BY id
    LIMIT (SELECT 1000)
),

share (value) AS MATERIALIZED (
    SELECT
        avg(
            CASE
                WHEN created_at < $3 OR (created_at, id) >= ($4, $5) THEN 0
                WHEN NOT (SELECT yes FROM has_words) THEN 1
                ELSE COALESCE(
                    (
                        SELECT (words @@ (SELECT query FROM sought))::integer
                        FROM image_words
                        WHERE image_words.created_at = sample.created_at
                            AND image_id = sample.id
                    ),
                    0
                )
            END
        )
    FROM sample
),

guess (images) AS MATERIALIZED (
    SELECT
        COALESCE(
            (
                SELECT value * reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::bigint
                FROM share
                CROSS JOIN pg_class
                WHERE oid = 'images'::regclass
                    AND reltuples > 0
                    AND relpages > 0
            ),
            0
        )::bigint
),

is_many (yes) AS MATERIALIZED (
    SELECT images > 3 * $6::bigint
    FROM guess
),

counted (images) AS MATERIALIZED (
    SELECT count(*)
    FROM (
        SELECT
        FROM (
            SELECT created_at, id
            FROM images
            WHERE created_at >= $3
                AND (created_at, id) < ($4, $5)
                AND NOT (SELECT yes FROM has_words)
                AND NOT (SELECT yes FROM is_many)
            ORDER BY created_at DESC, id DESC
            LIMIT $6 + 1
        ) AS walked

        UNION ALL

        SELECT
        FROM (
            SELECT created_at, image_id, words
            FROM image_words
            WHERE words @@ ANY ((SELECT queries FROM indexed)::tsquery[])
                AND (SELECT yes FROM has_words)
                AND NOT (SELECT yes FROM is_many)
            OFFSET 0
        ) AS found
        WHERE words @@ (SELECT query FROM sought)
            AND created_at >= $3
            AND (created_at, image_id) < ($4, $5)
        LIMIT $6 + 1
    ) AS matching
)

SELECT
    CASE
        WHEN is_many.yes OR counted.images > $6 THEN GREATEST(guess.images, $6 + 1)
        ELSE counted.images
    END AS images,
    is_many.yes OR counted.images > $6 AS estimated
FROM guess
CROSS JOIN is_many
CROSS JOIN counted;
