-- list_images_by_terms: returns a page of the newest-first list of images with all the given terms, and with words if
-- there are any, for GET /v1/images?tag=&content_type=&q=.
-- There are three ways, and each is slow if another is fast:
-- * Walk the images of one term, newest first, and skip those without the other terms and words. The term is the one
--   whose hundredth image from the position on is the oldest. So the walk of a common term does not pass many images if
--   only old images have all terms. This is fast if at least one in 4 of the first images matches. It stops after 50
--   images for each.
-- * If few of the first match, or the first way does not fill the page, walk on. It stops after a quarter of the images
--   that the index would find, because each is a look-up. images_rows_to_walk estimates their number.
-- * Find all matches with the index of words, and sort them. This runs if the second way does not fill the page, or
--   probably would not.
-- The statement decides while it runs. The planner cannot: statistics do not know which terms occur together. OFFSET 0
-- keeps the position out of the look-up. Otherwise the planner would scan another index in full.
-- $1 timestamptz, $2 uuid  the page ends before this position; 'infinity' or similar for the first page
-- $3 timestamptz           only images of this time or later
-- $4 bigint                maximum of rows
-- $5 text[]                the terms, at least one: tag:..., type:...
-- $6 text                  words as people write them (images_word_query), or NULL
-- Index: image_terms_pkey, then image_words_words_idx. image_words_pkey and images_pkey for each image. Not
-- bounded: terms and words that many images have together, but not enough of the newest. All their matches are sorted. If
-- there are hardly any matches, the index entries of the rarest term are read: 2 ms for 20,000. If many images
-- have longer words than the last one, but the rest finds few, each of these few is read: 2 us for each.
-- example a common tag: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:street}', NULL
-- example a tag of 2 in 100: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:city-7}', NULL
-- example a rare tag: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:eclipse}', NULL
-- example a tag of the long tail: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:place-7}', NULL
-- example a tag of the oldest: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:archive}', NULL
-- example no such tag: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:none}', NULL
-- example two tags: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:street,tag:night}', NULL
-- example two tags that never meet: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:city-7,tag:city-9}', NULL
-- example the last pages: '2020-01-01 08:00Z', md5('image 960')::uuid, '-infinity', 50, '{tag:street}', NULL
-- example a window: '2020-01-01 08:00Z', md5('image 960')::uuid, '2020-01-01 04:00Z', 50, '{tag:street}', NULL
-- example no match: '2019-01-01Z', md5('image 1')::uuid, '-infinity', 50, '{tag:street}', NULL
-- example a common type: 'infinity', md5('')::uuid, '-infinity', 50, '{type:image/jpeg}', NULL
-- example a rare type: 'infinity', md5('')::uuid, '-infinity', 50, '{type:image/avif}', NULL
-- example a type of the oldest: 'infinity', md5('')::uuid, '-infinity', 50, '{type:image/tiff}', NULL
-- example no such type: 'infinity', md5('')::uuid, '-infinity', 50, '{type:image/gif}', NULL
-- example both common: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:street,type:image/jpeg}', NULL
-- example a tag of the oldest, a common type: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:archive,type:image/jpeg}', NULL
-- example a common tag, a type of the oldest: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:street,type:image/tiff}', NULL
-- example a common tag, a rare type: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:street,type:image/avif}', NULL
-- example a common tag and word: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:street}', 'harbour'
-- example a common tag, a rare word: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:street}', '777777'
-- example a tag of 2 in 100, a rare word: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:city-7}', 'eclipse'
-- example a tag of the oldest, a common word: 'infinity', md5('')::uuid, '-infinity', 50, '{tag:archive}', 'harbour'
-- example a common type and word: 'infinity', md5('')::uuid, '-infinity', 50, '{type:image/jpeg}', 'harbour'
-- example a common type, a rare word: 'infinity', md5('')::uuid, '-infinity', 50, '{type:image/jpeg}', '777777'
-- allow: offset-paging because it skips a hundred entries of an index, to see how close together they lie
WITH sought (query) AS MATERIALIZED (
    SELECT images_word_query($5, $6, 'whole')
),

indexed (queries) AS MATERIALIZED (
    SELECT images_index_queries($5, $6, query)
    FROM sought
),

sparsest (term) AS MATERIALIZED (
    SELECT asked.term
    FROM unnest($5) AS asked (term)
    LEFT JOIN LATERAL (
        SELECT created_at
        FROM image_terms
        WHERE term = asked.term
            AND (created_at, image_id) < ($1, $2)
            AND created_at >= $3
        ORDER BY created_at DESC, image_id DESC
        LIMIT 1 OFFSET 99
    ) AS hundredth ON true
    ORDER BY hundredth.created_at NULLS FIRST
    LIMIT 1
),

matches_are_near (yes) AS MATERIALIZED (
    SELECT
        EXISTS (
            SELECT
            FROM (
                SELECT created_at, image_id
                FROM image_terms
                WHERE term = (SELECT term FROM sparsest)
                    AND (created_at, image_id) < ($1, $2)
                    AND created_at >= $3
                ORDER BY created_at DESC, image_id DESC
                LIMIT 4 * $4::bigint
            ) AS walked
            JOIN image_words USING (created_at, image_id)
            WHERE words @@ (SELECT query FROM sought)
        )
),

recent AS MATERIALIZED (
    SELECT created_at, image_id
    FROM (
        SELECT created_at, image_id
        FROM image_terms
        WHERE term = (SELECT term FROM sparsest)
            AND (created_at, image_id) < ($1, $2)
            AND created_at >= $3
            AND (SELECT yes FROM matches_are_near)
        ORDER BY created_at DESC, image_id DESC
        LIMIT 50 * $4
    ) AS walked
    JOIN image_words USING (created_at, image_id)
    WHERE words @@ (SELECT query FROM sought)
    ORDER BY created_at DESC, image_id DESC
    LIMIT $4
),

matches_are_rare (yes) AS MATERIALIZED (
    SELECT
        CASE
            WHEN (SELECT count(*) FROM recent) = $4 THEN false
            ELSE EXISTS (
                SELECT
                FROM image_terms
                WHERE term = (SELECT term FROM sparsest)
                    AND (created_at, image_id) < ($1, $2)
                    AND created_at >= $3
                ORDER BY created_at DESC, image_id DESC
                LIMIT 1 OFFSET CASE WHEN (SELECT yes FROM matches_are_near) THEN 50 ELSE 4 END * $4
            )
        END
),

older AS MATERIALIZED (
    SELECT created_at, image_id
    FROM (
        SELECT created_at, image_id
        FROM image_terms
        WHERE term = (SELECT term FROM sparsest)
            AND (created_at, image_id) < ($1, $2)
            AND created_at >= $3
        ORDER BY created_at DESC, image_id DESC
        LIMIT (
            SELECT CASE WHEN (SELECT yes FROM matches_are_rare) THEN images_rows_to_walk(query, 4 * $4) / 4 ELSE 0 END
            FROM sought
        )
    ) AS walked
    CROSS JOIN LATERAL (
        SELECT words
        FROM image_words
        WHERE created_at = walked.created_at
            AND image_id = walked.image_id
        LIMIT 1
    ) AS described
    WHERE words @@ (SELECT query FROM sought)
    ORDER BY created_at DESC, image_id DESC
    LIMIT $4
),

index_is_needed (yes) AS MATERIALIZED (
    SELECT (SELECT yes FROM matches_are_rare) AND (SELECT count(*) FROM older) < $4
),

page AS (
    SELECT created_at, image_id
    FROM recent
    WHERE NOT (SELECT yes FROM matches_are_rare)

    UNION ALL

    SELECT created_at, image_id
    FROM older
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
        AND (created_at, image_id) < ($1, $2)
        AND created_at >= $3
    ORDER BY created_at DESC, image_id DESC
    LIMIT $4
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
ORDER BY page.created_at DESC, page.image_id DESC;
