-- list_images_by_words: returns a page of the newest-first list of images that match words, for GET /v1/images?q=.
-- There are two ways, and each is slow if the other is fast:
-- * Read the newest documents, and skip those that do not match. This is fast if at least one in 10 of the first
--   documents matches. It stops after 100 documents for each.
-- * Find all matches with the index of documents, and sort them. This runs if few of the first match, or the first way
--   does not fill the page.
-- The statement decides while it runs. The planner cannot: statistics know only common words, and a generic plan none.
-- OFFSET 0 keeps the position out of the look-up. Otherwise the planner would scan another index in full.
-- $1 timestamptz, $2 uuid  the page ends before this position; 'infinity' or similar for the first page
-- $3 timestamptz           only images of this time or later
-- $4 bigint                maximum of rows
-- $5 text                  words in web-search syntax
-- Index: image_documents_pkey, then image_documents_document_idx. images_pkey for each image. Not bounded: words that
-- many images have, but fewer than one in 100 of the newest from the position on. All their matches are sorted.
-- Words that never meet: of each word, all index entries are read, but no document. That takes 17 ms of CPU at a million.
-- example a common word: 'infinity', md5('')::uuid, '-infinity', 50, 'harbour'
-- example a rare word: 'infinity', md5('')::uuid, '-infinity', 50, '777777'
-- example no such word: 'infinity', md5('')::uuid, '-infinity', 50, 'none'
-- example two common words: 'infinity', md5('')::uuid, '-infinity', 50, 'corner fog'
-- example two words that never meet: 'infinity', md5('')::uuid, '-infinity', 50, 'morning fog'
-- example a phrase: 'infinity', md5('')::uuid, '-infinity', 50, '"in the fog" or "in the rain" -night'
-- example no words: 'infinity', md5('')::uuid, '-infinity', 50, '?'
-- example the last pages: '2020-01-01 08:00Z', md5('image 960')::uuid, '-infinity', 50, 'harbour'
-- example a window: '2020-01-01 08:00Z', md5('image 960')::uuid, '2020-01-01 04:00Z', 50, 'harbour'
-- example no match: '2019-01-01Z', md5('image 1')::uuid, '-infinity', 50, 'harbour'
WITH sought (query) AS MATERIALIZED (
    SELECT images_query('{}', $5)
),

matches_are_near (yes) AS MATERIALIZED (
    SELECT
        EXISTS (
            SELECT
            FROM (
                SELECT document
                FROM image_documents
                WHERE (created_at, image_id) < ($1, $2)
                    AND created_at >= $3
                ORDER BY created_at DESC, image_id DESC
                LIMIT 10 * $4::bigint
            ) AS walked
            WHERE document @@ (SELECT query FROM sought)
        )
),

recent AS MATERIALIZED (
    SELECT created_at, image_id
    FROM (
        SELECT created_at, image_id, document
        FROM image_documents
        WHERE (created_at, image_id) < ($1, $2)
            AND created_at >= $3
            AND (SELECT yes FROM matches_are_near)
        ORDER BY created_at DESC, image_id DESC
        LIMIT 100 * $4
    ) AS walked
    WHERE document @@ (SELECT query FROM sought)
    LIMIT $4
),

matches_are_rare (yes) AS MATERIALIZED (
    SELECT
        CASE
            WHEN (SELECT count(*) FROM recent) = $4 THEN false
            ELSE EXISTS (
                SELECT
                FROM image_documents
                WHERE (created_at, image_id) < ($1, $2)
                    AND created_at >= $3
                ORDER BY created_at DESC, image_id DESC
                LIMIT 1 OFFSET CASE WHEN (SELECT yes FROM matches_are_near) THEN 100 ELSE 10 END * $4
            )
        END
),

page AS (
    SELECT created_at, image_id
    FROM recent
    WHERE NOT (SELECT yes FROM matches_are_rare)

    UNION ALL

    SELECT created_at, image_id
    FROM (
        SELECT created_at, image_id
        FROM image_documents
        WHERE document @@ (SELECT query FROM sought)
        OFFSET 0
    ) AS matching
    WHERE (SELECT yes FROM matches_are_rare)
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
