-- list_images_oldest_matching: returns a page of the oldest-first list of images with all given terms and words. It
-- is for GET /v1/images?sort=oldest with tag, content_type or q.
-- There are three ways, as in list_images_by_words. It reads the words of the oldest images, and skips those that do not
-- match. If none of the first match, or the page is not full, it reads further images: as many as the index of words would
-- find. If the page is still not full, it finds all matches with the index, and sorts them. It decides while it runs.
-- OFFSET 0 keeps the position out of the look-up. Otherwise the planner would scan another index in full.
-- $1 timestamptz, $2 uuid  the page begins after this position; '-infinity' or similar for the first page
-- $3 timestamptz, $4 uuid  and ends before this position; 'infinity' or similar for no limit
-- $5 bigint                maximum of rows
-- $6 text[]                the terms: tag:..., type:...; may be empty if there are words
-- $7 text                  words as people write them (images_word_query), or NULL if there are terms
-- Index: image_words_pkey, then image_words_words_idx. images_pkey for each image. Not bounded: terms and
-- words that no image has among as many images, from the position on, as have them at all. All their matches are sorted.
-- example a common tag: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{tag:street}', NULL
-- example a tag of 2 in 100: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{tag:city-7}', NULL
-- example a rare tag: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{tag:eclipse}', NULL
-- example a tag of the oldest: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{tag:archive}', NULL
-- example no such tag: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{tag:none}', NULL
-- example a common type: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{type:image/jpeg}', NULL
-- example a rare type: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{type:image/avif}', NULL
-- example a common word: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{}', 'harbour'
-- example a rare word: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{}', '777777'
-- example no words: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{}', '?'
-- example a common tag and word: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50, '{tag:street}', 'harbour'
-- example the last pages: '2020-12-12 08:00Z', md5('image 960')::uuid, 'infinity', md5('')::uuid, 50, '{tag:street}', NULL
-- example a window: '2020-01-01 04:00Z', md5('')::uuid, '2020-01-01 08:00Z', md5('')::uuid, 50, '{tag:street}', NULL
-- example no match: '2040-01-01Z', md5('image 1')::uuid, 'infinity', md5('')::uuid, 50, '{tag:street}', NULL
WITH sought (query) AS MATERIALIZED (
    SELECT images_word_query($6, $7, 'whole')
),

indexed (queries) AS MATERIALIZED (
    SELECT images_index_queries($6, $7, query)
    FROM sought
),

matches_are_near (yes) AS MATERIALIZED (
    SELECT
        EXISTS (
            SELECT
            FROM (
                SELECT words
                FROM image_words
                WHERE (created_at, image_id) > ($1, $2)
                    AND (created_at, image_id) < ($3, $4)
                ORDER BY created_at, image_id
                LIMIT 4 * $5::bigint
            ) AS walked
            WHERE words @@ (SELECT query FROM sought)
        )
),

oldest AS MATERIALIZED (
    SELECT created_at, image_id
    FROM (
        SELECT created_at, image_id, words
        FROM image_words
        WHERE (created_at, image_id) > ($1, $2)
            AND (created_at, image_id) < ($3, $4)
            AND (SELECT yes FROM matches_are_near)
        ORDER BY created_at, image_id
        LIMIT 100 * $5
    ) AS walked
    WHERE words @@ (SELECT query FROM sought)
    ORDER BY created_at, image_id
    LIMIT $5
),

matches_are_rare (yes) AS MATERIALIZED (
    SELECT
        CASE
            WHEN (SELECT count(*) FROM oldest) = $5 THEN false
            ELSE EXISTS (
                SELECT
                FROM image_words
                WHERE (created_at, image_id) > ($1, $2)
                    AND (created_at, image_id) < ($3, $4)
                ORDER BY created_at, image_id
                LIMIT 1 OFFSET CASE WHEN (SELECT yes FROM matches_are_near) THEN 100 ELSE 4 END * $5
            )
        END
),

newer AS MATERIALIZED (
    SELECT created_at, image_id
    FROM (
        SELECT created_at, image_id, words
        FROM image_words
        WHERE (created_at, image_id) > ($1, $2)
            AND (created_at, image_id) < ($3, $4)
        ORDER BY created_at, image_id
        LIMIT (
            SELECT CASE WHEN (SELECT yes FROM matches_are_rare) THEN images_rows_to_walk(query, $5) ELSE 0 END
            FROM sought
        )
    ) AS walked
    WHERE words @@ (SELECT query FROM sought)
    ORDER BY created_at, image_id
    LIMIT $5
),

index_is_needed (yes) AS MATERIALIZED (
    SELECT (SELECT yes FROM matches_are_rare) AND (SELECT count(*) FROM newer) < $5
),

page AS (
    SELECT created_at, image_id
    FROM oldest
    WHERE NOT (SELECT yes FROM matches_are_rare)

    UNION ALL

    SELECT created_at, image_id
    FROM newer
    WHERE NOT (SELECT yes FROM index_is_needed)

    UNION ALL

    SELECT created_at, image_id
    FROM (
        SELECT created_at, image_id, words
        FROM image_words
        WHERE words @@ ANY ((SELECT queries FROM indexed)::tsquery[])
        OFFSET 0
    ) AS matching
    WHERE (SELECT yes FROM index_is_needed)
        AND words @@ (SELECT query FROM sought)
        AND (created_at, image_id) > ($1, $2)
        AND (created_at, image_id) < ($3, $4)
    ORDER BY created_at, image_id
    LIMIT $5
)

SELECT row_to_json(image) AS image
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
    WHERE id = page.image_id
) AS image
ORDER BY page.created_at, page.image_id;
