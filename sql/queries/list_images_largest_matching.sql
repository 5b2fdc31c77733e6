-- list_images_largest_matching: returns a page of the list by size, largest first, of images with all given terms
-- and words. It is for GET /v1/images?sort=largest with tag, content_type or q.
-- There are three ways, and each is slow if another is fast:
-- * If the period has fewer than 200 images for each image of the page, read their words, and sort the matches.
-- * Otherwise walk the images in their order, and skip those outside the period and those that do not match. This is
--   fast if many images match. It stops after as many images as the index of words would find: images_rows_to_walk
--   estimates their number. If one of the first 10 for each image of the page matches, it reads at least 100 for each.
-- * Find all matches with the index of words, and sort them. This runs if the walk does not fill the page, or probably
--   would not.
-- The statement decides while it runs.
-- The walk ends after $7 index entries. If matches are near, and the page is not full by then, the last row has no image.
-- It has only the position at which the next page continues. So a page can have few images, or none, and a next page.
-- OFFSET 0 keeps the conditions out of a look-up, and LIMIT 1 makes the words of each image a look-up of its own. The
-- condition created_at <= $4 follows from the next line, and tells the planner that the period is short. Otherwise it would scan
-- other indexes or tables in full.
-- The bounds of byte_size, within which all images are, tell the planner that the walk is short. Otherwise it would
-- sort the whole table if VACUUM has not run for long.
-- $1 bigint, $2 uuid       the page ends before this position; the highest bigint for the first page
-- $3 timestamptz           only images of this time or later
-- $4 timestamptz, $5 uuid  and before this position in time; 'infinity' or similar for no limit
-- $6 bigint                maximum of rows
-- $7 bigint                maximum of index entries that the walk reads
-- $8 text[]                the terms: tag:..., type:...; may be empty if there are words
-- $9 text                  words as people write them (images_word_query), or NULL if there are terms
-- Index: image_words_pkey for short periods. Otherwise images_byte_size_id_created_at_idx with
-- image_words_pkey, then image_words_words_idx. images_pkey for each image. Not bounded: terms and words
-- that few images have from the position on. If the index finds many, all of them are sorted. Bounded
-- by $7: of the skipped images, only index entries are read, at most four times.
-- example a common tag: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{tag:street}', NULL
-- example a tag of 2 in 100: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{tag:city-7}', NULL
-- example a rare tag: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{tag:eclipse}', NULL
-- example a tag of the oldest: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{tag:archive}', NULL
-- example no such tag: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{tag:none}', NULL
-- example a common type: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{type:image/jpeg}', NULL
-- example a rare type: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{type:image/avif}', NULL
-- example a common word: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{}', 'harbour'
-- example a rare word: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{}', '777777'
-- example no words: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{}', '?'
-- example a common tag and word: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{tag:street}', 'harbour'
-- example the last pages: 100300, md5('image 960')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{tag:street}', NULL
-- example a long window: 9223372036854775807, md5('')::uuid, '2020-03-01Z', '2020-09-01Z', md5('')::uuid, 50, 50000, '{tag:street}', NULL
-- example a window: 9223372036854775807, md5('')::uuid, '2020-01-01 04:00Z', '2020-01-01 08:00Z', md5('')::uuid, 50, 50000, '{tag:street}', NULL
-- example no match: 1, md5('image 1')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000, '{tag:street}', NULL
WITH sought (query) AS MATERIALIZED (
    SELECT images_word_query($8, $9, 'whole')
),

indexed (queries) AS MATERIALIZED (
    SELECT images_index_queries($8, $9, query)
    FROM sought
),

times_are_limited (yes) AS MATERIALIZED (
    SELECT ($3::timestamptz, $4::timestamptz) <> ('-infinity', 'infinity')
),

times_are_short (yes) AS MATERIALIZED (
    SELECT
        CASE
            WHEN NOT (SELECT yes FROM times_are_limited) THEN false
            ELSE NOT EXISTS (
                SELECT
                FROM image_words
                WHERE created_at >= $3
                    AND (created_at, image_id) < ($4, $5)
                ORDER BY created_at DESC, image_id DESC
                LIMIT 1 OFFSET 200 * $6::bigint
            )
        END
),

matches_are_near (yes) AS MATERIALIZED (
    SELECT
        EXISTS (
            SELECT
            FROM (
                SELECT id, created_at
                FROM (
                    SELECT byte_size, id, created_at
                    FROM images
                    WHERE byte_size >= -9223372036854775808
                        AND byte_size <= $1
                        AND (byte_size, id) < ($1, $2)
                        AND NOT (SELECT yes FROM times_are_short)
                    ORDER BY byte_size DESC, id DESC
                    LIMIT $7::bigint
                ) AS largest
                WHERE created_at >= $3
                    AND (created_at, id) < ($4, $5)
                ORDER BY byte_size DESC, id DESC
                LIMIT 10 * $6
            ) AS walked
            CROSS JOIN LATERAL (
                SELECT words
                FROM image_words
                WHERE created_at = walked.created_at
                    AND image_id = walked.id
                LIMIT 1
            ) AS described
            WHERE words @@ (SELECT query FROM sought)
        )
        -- If the walk ends before it has seen enough of a long period, ask the newest images of the period.
        OR EXISTS (
            SELECT
            FROM (
                SELECT words
                FROM image_words
                WHERE created_at >= $3
                    AND (created_at, image_id) < ($4, $5)
                    AND NOT (SELECT yes FROM times_are_short)
                    AND (SELECT yes FROM times_are_limited)
                ORDER BY created_at DESC, image_id DESC
                LIMIT 10 * $6
            ) AS newest
            WHERE words @@ (SELECT query FROM sought)
        )
),

walk (images) AS MATERIALIZED (
    SELECT
        CASE
            WHEN (SELECT yes FROM times_are_short) THEN 0
            ELSE GREATEST(
                CASE WHEN (SELECT yes FROM matches_are_near) THEN 100 * $6 ELSE 0 END,
                LEAST(images_rows_to_walk(query, $6), $7 - 1)
            )
        END
    FROM sought
),

largest AS MATERIALIZED (
    SELECT byte_size, id
    FROM (
        SELECT byte_size, id, created_at
        FROM (
            SELECT byte_size, id, created_at
            FROM images
            WHERE byte_size >= -9223372036854775808
                AND byte_size <= $1
                AND (byte_size, id) < ($1, $2)
                AND (SELECT images FROM walk) > 0
            ORDER BY byte_size DESC, id DESC
            LIMIT $7
        ) AS largest
        WHERE created_at >= $3
            AND (created_at, id) < ($4, $5)
        ORDER BY byte_size DESC, id DESC
        LIMIT (SELECT images FROM walk)
    ) AS walked
    CROSS JOIN LATERAL (
        SELECT words
        FROM image_words
        WHERE created_at = walked.created_at
            AND image_id = walked.id
        LIMIT 1
    ) AS described
    WHERE words @@ (SELECT query FROM sought)
    ORDER BY byte_size DESC, id DESC
    LIMIT $6
),

walk_end AS (
    SELECT byte_size, id
    FROM images
    WHERE byte_size >= -9223372036854775808
        AND byte_size <= $1
        AND (byte_size, id) < ($1, $2)
    ORDER BY byte_size DESC, id DESC
    -- allow: offset-paging because it finds the last entry of the walk, which ends after so many
    LIMIT 1 OFFSET $7 - 1
),

matches_are_rare (yes) AS MATERIALIZED (
    SELECT
        CASE
            WHEN (SELECT yes FROM times_are_short) OR (SELECT count(*) FROM largest) = $6 THEN false
            ELSE EXISTS (
                SELECT
                FROM (
                    SELECT id, created_at
                    FROM images
                    WHERE byte_size >= -9223372036854775808
                        AND byte_size <= $1
                        AND (byte_size, id) < ($1, $2)
                    ORDER BY byte_size DESC, id DESC
                    LIMIT $7
                ) AS largest
                WHERE created_at >= $3
                    AND (created_at, id) < ($4, $5)
                LIMIT 1 OFFSET GREATEST(10 * $6, (SELECT images FROM walk))
            )
            OR ((SELECT images FROM walk) = 0 AND EXISTS (SELECT FROM walk_end))
        END
),

matching AS (
    SELECT image_id
    FROM (
        SELECT image_id, words
        FROM image_words
        WHERE created_at >= $3
            AND created_at <= $4
            AND (created_at, image_id) < ($4, $5)
            AND (SELECT yes FROM times_are_short)
        OFFSET 0
    ) AS of_these_times
    WHERE words @@ (SELECT query FROM sought)

    UNION ALL

    SELECT image_id
    FROM (
        SELECT created_at, image_id, words
        FROM image_words
        WHERE words @@ ANY ((SELECT queries FROM indexed)::tsquery[])
        OFFSET 0
    ) AS found
    WHERE (SELECT yes FROM matches_are_rare)
        AND words @@ (SELECT query FROM sought)
        AND created_at >= $3
        AND (created_at, image_id) < ($4, $5)
),

page AS (
    SELECT byte_size, id
    FROM largest
    WHERE NOT (SELECT yes FROM matches_are_rare)

    UNION ALL

    SELECT byte_size, id
    FROM matching
    CROSS JOIN LATERAL (
        SELECT byte_size, id
        FROM images
        WHERE id = image_id
        LIMIT 1
    ) AS image
    WHERE (byte_size, id) < ($1, $2)
    ORDER BY byte_size DESC, id DESC
    LIMIT $6
),

stopped AS (
    SELECT byte_size, id
    FROM walk_end
    WHERE NOT (SELECT yes FROM times_are_short)
        AND NOT (SELECT yes FROM matches_are_rare)
        AND (SELECT count(*) FROM page) < $6
)

SELECT
    row_to_json(image) AS image,
    page.byte_size,
    page.id
FROM page
CROSS JOIN LATERAL (
    SELECT
        id,
        filename,
        content_type,
        byte_size,
        width,
        height,
        images_sha256_text(content_sha256) AS sha256,
        title,
        description,
        tags,
        created_at,
        updated_at,
        color,
        encode(thumbhash, 'base64') AS thumbhash,
        capture,
        location,
        attributes
    FROM images
    WHERE id = page.id
) AS image

UNION ALL

SELECT NULL AS image, byte_size, id
FROM stopped
ORDER BY byte_size DESC, id DESC;
