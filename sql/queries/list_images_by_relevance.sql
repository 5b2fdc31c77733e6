-- list_images_by_relevance: returns a page of images that match words, best first, for GET /v1/images?sort=relevance&q=.
-- Images with the last word as a whole come before those in which it is the beginning of a word. Then a word counts most
-- in the title, then in the tags, in the file name, and in the description. Equal images are in the order of the
-- newest-first list. The terms do not count: each match has all of them. At most the newest 1,000 matches are
-- compared. There are three ways to them:
-- * If at least one in 20 of the newest 200 images matches, read the words of the newest 5,000.
-- * Otherwise read on until 1,000 match. It stops after as many images as the index would find. images_rows_to_walk
--   estimates this number.
-- * Find all matches with the index of words. This runs if the second way does not find 1,000, or probably would not.
--   images_index_queries decides how the index is asked for the last word.
-- The way does not depend on the page, so all pages have the same order. OFFSET 0 keeps the period out of the look-up.
-- $1 timestamptz, $2 uuid  only images before this position in time; 'infinity' or similar for no limit
-- $3 timestamptz           only images of this time or later
-- $4 float8                the page begins after this rank,
-- $5 timestamptz, $6 uuid  and position in time; a rank of 2, which no image has, for the first page
-- $7 bigint                maximum of rows
-- $8 text[]                the terms: tag:..., type:...; may be empty
-- $9 text                  words as people write them (images_word_query)
-- Index: image_words_pkey, then image_words_words_idx. images_pkey for each image. The first way reads 5,200 rows. Not
-- bounded: words that many images have, but fewer than 1,000 of as many of the newest. All their matches are sorted.
-- example a common word: 'infinity', md5('')::uuid, '-infinity', 2, 'infinity', md5('')::uuid, 50, '{}', 'harbour'
-- example a rare word: 'infinity', md5('')::uuid, '-infinity', 2, 'infinity', md5('')::uuid, 50, '{}', '777777'
-- example no such word: 'infinity', md5('')::uuid, '-infinity', 2, 'infinity', md5('')::uuid, 50, '{}', 'none'
-- example a file name: 'infinity', md5('')::uuid, '-infinity', 2, 'infinity', md5('')::uuid, 50, '{}', 'IMG_777.jpg'
-- example a common tag and word: 'infinity', md5('')::uuid, '-infinity', 2, 'infinity', md5('')::uuid, 50, '{tag:street}', 'harbour'
-- example the last pages: 'infinity', md5('')::uuid, '-infinity', 0.01, 'infinity', md5('')::uuid, 50, '{}', 'harbour'
WITH sought (query) AS MATERIALIZED (
    SELECT images_word_query($8, $9, 'whole')
),

indexed (queries) AS MATERIALIZED (
    SELECT images_index_queries($8, $9, query)
    FROM sought
),

ranking (query) AS MATERIALIZED (
    SELECT images_word_query('{}', $9, 'whole')
),

whole_words (query) AS MATERIALIZED (
    SELECT images_word_query('{}', $9 || ' ""', 'whole') -- the last word is not the last part of this text
),

matches_are_near (yes) AS MATERIALIZED (
    SELECT count(*) >= 10
    FROM (
        SELECT words
        FROM image_words
        WHERE (created_at, image_id) < ($1, $2)
            AND created_at >= $3
        ORDER BY created_at DESC, image_id DESC
        LIMIT 200
    ) AS newest
    WHERE words @@ (SELECT query FROM sought)
),

newest AS MATERIALIZED (
    SELECT created_at, image_id, words
    FROM (
        SELECT created_at, image_id, words
        FROM image_words
        WHERE (created_at, image_id) < ($1, $2)
            AND created_at >= $3
        ORDER BY created_at DESC, image_id DESC
        LIMIT (
            SELECT CASE WHEN (SELECT yes FROM matches_are_near) THEN 5000 ELSE images_rows_to_walk(query, 1000) END
            FROM sought
        )
    ) AS walked
    WHERE words @@ (SELECT query FROM sought)
    LIMIT 1000
),

index_is_needed (yes) AS MATERIALIZED (
    SELECT NOT (SELECT yes FROM matches_are_near) AND (SELECT count(*) FROM newest) < 1000
),

matching AS MATERIALIZED (
    SELECT created_at, image_id, words
    FROM newest
    WHERE NOT (SELECT yes FROM index_is_needed)

    UNION ALL

    SELECT created_at, image_id, words
    FROM (
        SELECT created_at, image_id, words
        FROM image_words
        WHERE words @@ ANY ((SELECT queries FROM indexed)::tsquery[])
        OFFSET 0
    ) AS found
    WHERE (SELECT yes FROM index_is_needed)
        AND words @@ (SELECT query FROM sought)
        AND (created_at, image_id) < ($1, $2)
        AND created_at >= $3
    ORDER BY created_at DESC, image_id DESC
    LIMIT 1000
),

page AS MATERIALIZED (
    SELECT relevance, created_at, image_id
    FROM (
        SELECT
            ts_rank(words, (SELECT query FROM ranking))::float8
            + COALESCE(words @@ (SELECT query FROM whole_words), false)::int AS relevance,
            created_at,
            image_id
        FROM matching
    ) AS ranked
    WHERE (relevance, created_at, image_id) < ($4::float8, $5::timestamptz, $6::uuid)
    ORDER BY relevance DESC, created_at DESC, image_id DESC
    LIMIT $7::bigint
)

SELECT
    row_to_json(image) AS image,
    page.relevance,
    page.created_at,
    page.image_id
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
ORDER BY page.relevance DESC, page.created_at DESC, page.image_id DESC;
