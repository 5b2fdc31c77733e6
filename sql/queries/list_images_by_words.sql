-- list_images_by_words: returns a page of the newest-first list of images that match words, for GET /v1/images?q=.
-- There are three ways, and each is slow if another is fast:
-- * Read the words of the newest images, and skip those that do not match. This is fast if many of the first match. It
--   runs if one of the first 4 for each image of the page does, and stops after 100 for each.
-- * If none of the first match, or the first way does not fill the page, read on. It stops after as many images as the
--   index would find. images_rows_to_walk estimates this number.
-- * Find all matches with the index of words, and sort them. This runs if the second way does not fill the page, or
--   probably would not. The function images_index_queries decides how the index is asked for the last word.
-- The statement decides while it runs. The planner cannot: statistics know only common words, and a generic plan none.
-- OFFSET 0 keeps the position out of the look-up. Otherwise the planner would scan another index in full.
-- $1 timestamptz, $2 uuid  the page ends before this position; 'infinity' or similar for the first page
-- $3 timestamptz           only images of this time or later
-- $4 bigint                maximum of rows
-- $5 text                  words as people write them (images_word_query)
-- Index: image_words_pkey, then image_words_words_idx. images_pkey for each image. Not bounded: words that no image has
-- among as many images, from the position on, as have them at all. All their matches are sorted.
-- Words that never meet: of each word, all index entries are read, but no image. That takes 9 ms of CPU at a million
-- images if one in 6 has each word.
-- example a common word: 'infinity', md5('')::uuid, '-infinity', 50, 'harbour'
-- example a rare word: 'infinity', md5('')::uuid, '-infinity', 50, '777777'
-- example no such word: 'infinity', md5('')::uuid, '-infinity', 50, 'none'
-- example two common words: 'infinity', md5('')::uuid, '-infinity', 50, 'corner fog'
-- example two words that never meet: 'infinity', md5('')::uuid, '-infinity', 50, 'morning fog'
-- example the beginning of a word: 'infinity', md5('')::uuid, '-infinity', 50, 'harb'
-- example the beginning of a term, and of no word: 'infinity', md5('')::uuid, '-infinity', 50, 'typ'
-- example the beginning of rare words: 'infinity', md5('')::uuid, '-infinity', 50, '77777'
-- example a file name: 'infinity', md5('')::uuid, '-infinity', 50, 'IMG_777.jpg'
-- example a rare word, the beginning of all names: 'infinity', md5('')::uuid, '-infinity', 50, '777777 im'
-- example a common word, the beginning of none: 'infinity', md5('')::uuid, '-infinity', 50, 'harbour zz'
-- example a phrase: 'infinity', md5('')::uuid, '-infinity', 50, '"in the fog" or "in the rain" -night'
-- example no words: 'infinity', md5('')::uuid, '-infinity', 50, '?'
-- example the last pages: '2020-01-01 08:00Z', md5('image 960')::uuid, '-infinity', 50, 'harbour'
-- example a window: '2020-01-01 08:00Z', md5('image 960')::uuid, '2020-01-01 04:00Z', 50, 'harbour'
-- example no match: '2019-01-01Z', md5('image 1')::uuid, '-infinity', 50, 'harbour'
WITH sought (query) AS MATERIALIZED (
    SELECT images_word_query('{}', $5, 'whole')
),

indexed (queries) AS MATERIALIZED (
    SELECT images_index_queries('{}', $5, query)
    FROM sought
),

matches_are_near (yes) AS MATERIALIZED (
    SELECT
        EXISTS (
            SELECT
            FROM (
                SELECT words
                FROM image_words
                WHERE (created_at, image_id) < ($1, $2)
                    AND created_at >= $3
                ORDER BY created_at DESC, image_id DESC
                LIMIT 4 * $4::bigint
            ) AS walked
            WHERE words @@ (SELECT query FROM sought)
        )
),

recent AS MATERIALIZED (
    SELECT created_at, image_id
    FROM (
        SELECT created_at, image_id, words
        FROM image_words
        WHERE (created_at, image_id) < ($1, $2)
            AND created_at >= $3
            AND (SELECT yes FROM matches_are_near)
        ORDER BY created_at DESC, image_id DESC
        LIMIT 100 * $4
    ) AS walked
    WHERE words @@ (SELECT query FROM sought)
    LIMIT $4
),

matches_are_rare (yes) AS MATERIALIZED (
    SELECT
        CASE
            WHEN (SELECT count(*) FROM recent) = $4 THEN false
            ELSE EXISTS (
                SELECT
                FROM image_words
                WHERE (created_at, image_id) < ($1, $2)
                    AND created_at >= $3
                ORDER BY created_at DESC, image_id DESC
                LIMIT 1 OFFSET CASE WHEN (SELECT yes FROM matches_are_near) THEN 100 ELSE 4 END * $4
            )
        END
),

older AS MATERIALIZED (
    SELECT created_at, image_id
    FROM (
        SELECT created_at, image_id, words
        FROM image_words
        WHERE (created_at, image_id) < ($1, $2)
            AND created_at >= $3
        ORDER BY created_at DESC, image_id DESC
        LIMIT (
            SELECT CASE WHEN (SELECT yes FROM matches_are_rare) THEN images_rows_to_walk(query, $4) ELSE 0 END
            FROM sought
        )
    ) AS walked
    WHERE words @@ (SELECT query FROM sought)
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
