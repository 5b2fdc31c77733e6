-- list_images_captured_matching: returns a page of the list by time of capture, latest first. It is for GET
-- /v1/images?sort=captured with camera, bbox, tag, content_type, q, created_after or created_before.
-- There are two ways, and each is slow if the other is fast:
-- * If at most 2,000 images are in the area, or of the camera, or have one of the terms, read these images. Then sort
--   those that match the other filters too.
-- * Otherwise walk the images in their order, and skip those that do not match.
-- The statement decides while it runs.
-- The walk ends after $9 index entries. If the page is not full by then, the last row has no image, only the position at
-- which the next page continues. So a page can have few images, or none, and a next page.
-- OFFSET 0 and LIMIT 1 make each look-up a look-up of its own.
-- $1 timestamptz                      the page ends before this position: the time of capture, or '-infinity' without one;
-- $2 timestamptz, $3 uuid             the time of the upload, and the id; 'infinity' or similar for the first page
-- $4 timestamptz                      only images taken at this time or later; '-infinity' for all
-- $5 timestamptz                      only images stored at this time or later
-- $6 timestamptz, $7 uuid             and stored before this position in time; 'infinity' or similar for no limit
-- $8 bigint                           maximum of rows
-- $9 bigint                           maximum of index entries that the walk reads
-- $10 text[]                          the terms: tag:..., type:...; may be empty
-- $11 text                            words as people write them (images_word_query), or NULL
-- $12 text                            model of the camera in small letters, or NULL
-- $13, $14 float8[]                   western and eastern ends of the parts of the area in degrees; empty for all the world
-- $15, $16 float8                     southern and northern end of the area
-- Index: images_point_idx, images_camera_idx and image_terms_pkey, at most 2,001 entries for each filter. Then images_pkey
-- for each of them, or images_captured_at_created_at_id_idx with the rows, at most $9. Also image_words_pkey for each image
-- that the other filters leave, if there are terms or words.
-- example a small area: 'infinity', 'infinity', md5('')::uuid, '-infinity', '-infinity', 'infinity', md5('')::uuid, 50, 10000, '{}', NULL, NULL, '{11.4999}', '{11.5001}', 48.1999, 48.2001
-- example a large area: 'infinity', 'infinity', md5('')::uuid, '-infinity', '-infinity', 'infinity', md5('')::uuid, 50, 10000, '{}', NULL, NULL, '{-60}', '{60}', -45, 45
-- example across the antimeridian: 'infinity', 'infinity', md5('')::uuid, '-infinity', '-infinity', 'infinity', md5('')::uuid, 50, 10000, '{}', NULL, NULL, '{170,-180}', '{180,-170}', -45, 45
-- example no such area: 'infinity', 'infinity', md5('')::uuid, '-infinity', '-infinity', 'infinity', md5('')::uuid, 50, 10000, '{}', NULL, NULL, '{0}', '{1}', 80, 81
-- example a common camera: 'infinity', 'infinity', md5('')::uuid, '-infinity', '-infinity', 'infinity', md5('')::uuid, 50, 10000, '{}', NULL, 'model 5', '{}', '{}', 0, 0
-- example a rare camera: 'infinity', 'infinity', md5('')::uuid, '-infinity', '-infinity', 'infinity', md5('')::uuid, 50, 10000, '{}', NULL, 'rare', '{}', '{}', 0, 0
-- example a common tag: 'infinity', 'infinity', md5('')::uuid, '-infinity', '-infinity', 'infinity', md5('')::uuid, 50, 10000, '{tag:street}', NULL, NULL, '{}', '{}', 0, 0
-- example a rare tag: 'infinity', 'infinity', md5('')::uuid, '-infinity', '-infinity', 'infinity', md5('')::uuid, 50, 10000, '{tag:eclipse}', NULL, NULL, '{}', '{}', 0, 0
-- example a rare word: 'infinity', 'infinity', md5('')::uuid, '-infinity', '-infinity', 'infinity', md5('')::uuid, 50, 10000, '{}', '777777', NULL, '{}', '{}', 0, 0
-- example a common camera and area: 'infinity', 'infinity', md5('')::uuid, '-infinity', '-infinity', 'infinity', md5('')::uuid, 50, 10000, '{}', NULL, 'model 5', '{-60}', '{60}', -45, 45
-- example an upload window: 'infinity', 'infinity', md5('')::uuid, '-infinity', '2020-01-01 04:00Z', '2020-01-01 08:00Z', md5('')::uuid, 50, 10000, '{}', NULL, NULL, '{}', '{}', 0, 0
WITH sought (query) AS MATERIALIZED (
    SELECT images_word_query($10, $11, 'whole')
),

sources (ids) AS MATERIALIZED (
    SELECT
        ARRAY(
            SELECT found.id
            FROM unnest($13::float8[], $14::float8[]) AS part (west, east)
            CROSS JOIN LATERAL (
                SELECT id
                FROM images
                WHERE location IS NOT NULL
                    AND point((location ->> 'longitude')::float8, (location ->> 'latitude')::float8)
                    <@ box(point(part.west, $15::float8), point(part.east, $16::float8))
                LIMIT 2001
            ) AS found
        )
    WHERE cardinality($13::float8[]) > 0

    UNION ALL

    SELECT
        ARRAY(
            SELECT id
            FROM images
            WHERE capture ->> 'model' IS NOT NULL
                AND lower(capture ->> 'model') COLLATE "C" = $12::text
            LIMIT 2001
        )
    WHERE $12 IS NOT NULL

    UNION ALL

    SELECT
        ARRAY(
            SELECT image_id
            FROM image_terms
            WHERE image_terms.term = given.term
            LIMIT 2001
        )
    FROM unnest($10::text[]) AS given (term)
),

few (ids) AS MATERIALIZED (
    SELECT ids
    FROM sources
    WHERE cardinality(ids) <= 2000
    ORDER BY cardinality(ids)
    LIMIT 1
),

walk_end AS MATERIALIZED (
    SELECT
        COALESCE(captured_at, '-infinity'::timestamptz) AS key,
        created_at,
        id
    FROM images
    WHERE (COALESCE(captured_at, '-infinity'::timestamptz), created_at, id) < ($1, $2, $3)
        AND COALESCE(captured_at, '-infinity'::timestamptz) >= $4
        AND NOT EXISTS (SELECT FROM few)
    ORDER BY COALESCE(captured_at, '-infinity'::timestamptz) DESC, created_at DESC, id DESC
    -- allow: offset-paging because it finds the last entry of the walk, which ends after so many
    LIMIT 1 OFFSET $9::bigint - 1
),

walked AS MATERIALIZED (
    SELECT key, created_at, id
    FROM (
        SELECT
            COALESCE(captured_at, '-infinity'::timestamptz) AS key,
            created_at,
            id,
            lower(capture ->> 'model') COLLATE "C" AS model,
            point((location ->> 'longitude')::float8, (location ->> 'latitude')::float8) AS place
        FROM images
        WHERE (COALESCE(captured_at, '-infinity'::timestamptz), created_at, id) < ($1, $2, $3)
            AND COALESCE(captured_at, '-infinity'::timestamptz) >= $4
            AND NOT EXISTS (SELECT FROM few)
        ORDER BY COALESCE(captured_at, '-infinity'::timestamptz) DESC, created_at DESC, id DESC
        LIMIT $9
    ) AS latest
    WHERE created_at >= $5
        AND (created_at, id) < ($6, $7)
        AND ($12 IS NULL OR model = $12)
        AND (
            cardinality($13) = 0
            OR EXISTS (
                SELECT
                FROM unnest($13, $14) AS part (west, east)
                WHERE place <@ box(point(west, $15), point(east, $16))
            )
        )
        AND (
            ($10 = '{}' AND $11 IS NULL)
            OR (
                SELECT words @@ (SELECT query FROM sought)
                FROM image_words
                WHERE image_words.created_at = latest.created_at
                    AND image_words.image_id = latest.id
                LIMIT 1
            )
        )
    ORDER BY key DESC, created_at DESC, id DESC
    LIMIT $8::bigint
),

looked_up AS MATERIALIZED (
    SELECT
        image.key,
        image.created_at,
        image.id
    FROM few
    CROSS JOIN LATERAL unnest(few.ids) AS one (id)
    CROSS JOIN LATERAL (
        SELECT
            COALESCE(captured_at, '-infinity'::timestamptz) AS key,
            created_at,
            id,
            lower(capture ->> 'model') COLLATE "C" AS model,
            point((location ->> 'longitude')::float8, (location ->> 'latitude')::float8) AS place
        FROM images
        WHERE images.id = one.id
        LIMIT 1
    ) AS image
    WHERE (image.key, image.created_at, image.id) < ($1, $2, $3)
        AND image.key >= $4
        AND image.created_at >= $5
        AND (image.created_at, image.id) < ($6, $7)
        AND ($12 IS NULL OR image.model = $12)
        AND (
            cardinality($13) = 0
            OR EXISTS (
                SELECT
                FROM unnest($13, $14) AS part (west, east)
                WHERE image.place <@ box(point(west, $15), point(east, $16))
            )
        )
        AND (
            ($10 = '{}' AND $11 IS NULL)
            OR (
                SELECT words @@ (SELECT query FROM sought)
                FROM image_words
                WHERE image_words.created_at = image.created_at
                    AND image_words.image_id = image.id
                LIMIT 1
            )
        )
    ORDER BY key DESC, created_at DESC, id DESC
    LIMIT $8
),

page AS (
    SELECT key, created_at, id
    FROM walked

    UNION ALL

    SELECT key, created_at, id
    FROM looked_up
)

SELECT
    row_to_json(image) AS image,
    page.key,
    page.created_at,
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

SELECT NULL AS image, key, created_at, id
FROM walk_end
WHERE (SELECT count(*) FROM walked) < $8
ORDER BY key DESC, created_at DESC, id DESC;
