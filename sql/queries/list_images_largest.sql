-- list_images_largest: returns a page of the list by size, largest first, for GET /v1/images?sort=largest. There are
-- two ways, and each is slow if the other is fast. If the period has fewer than 200 images for each image of the page,
-- it reads them and sorts them. Otherwise it walks the images in their order, and skips those outside the period. The
-- statement decides while it runs.
-- The walk ends after $7 index entries. If the page is not full by then, the last row has no image, only the position at
-- which the next page continues. So a page can have few images, or none, and a next page.
-- OFFSET 0 keeps the conditions out of a look-up. The condition created_at <= $4 follows from the next line, and tells
-- the planner that the period is narrow. Otherwise it would scan another index in full.
-- The bounds of byte_size, within which all images are, tell the planner that the walk is short. Otherwise it would
-- sort the whole table if VACUUM has not run for long.
-- $1 bigint, $2 uuid       the page ends before this position; the highest bigint for the first page
-- $3 timestamptz           only images of this time or later
-- $4 timestamptz, $5 uuid  and before this position in time; 'infinity' or similar for no limit
-- $6 bigint                maximum of rows
-- $7 bigint                maximum of index entries that the walk reads
-- Index: images_created_at_id_idx for short periods, images_byte_size_id_created_at_idx for others. images_pkey for
-- each image. Bounded by $7: of the skipped images, only index entries are read, twice if the page is not full.
-- example first page: 9223372036854775807, md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000
-- example the last pages: 100300, md5('image 960')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000
-- example a long window: 9223372036854775807, md5('')::uuid, '2020-03-01Z', '2020-09-01Z', md5('')::uuid, 50, 50000
-- example a window: 9223372036854775807, md5('')::uuid, '2020-01-01 04:00Z', '2020-01-01 08:00Z', md5('')::uuid, 50, 50000
-- example no match: 1, md5('image 1')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 50000
-- example no such time: 9223372036854775807, md5('')::uuid, '2040-01-01Z', '2041-01-01Z', md5('')::uuid, 50, 50000
WITH times_are_short (yes) AS MATERIALIZED (
    SELECT
        CASE
            WHEN ($3::timestamptz, $4::timestamptz) = ('-infinity', 'infinity') THEN false
            ELSE NOT EXISTS (
                SELECT
                FROM images
                WHERE created_at >= $3
                    AND (created_at, id) < ($4, $5)
                ORDER BY created_at DESC, id DESC
                LIMIT 1 OFFSET 200 * $6::bigint
            )
        END
),

page AS (
    SELECT byte_size, id
    FROM (
        SELECT byte_size, id
        FROM images
        WHERE created_at >= $3
            AND created_at <= $4
            AND (created_at, id) < ($4, $5)
            AND (SELECT yes FROM times_are_short)
        OFFSET 0
    ) AS of_these_times
    WHERE (byte_size, id) < ($1, $2)

    UNION ALL

    SELECT byte_size, id
    FROM (
        SELECT byte_size, id
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
        LIMIT $6
    ) AS walked
    ORDER BY byte_size DESC, id DESC
    LIMIT $6
),

stopped AS (
    SELECT byte_size, id
    FROM images
    WHERE byte_size >= -9223372036854775808
        AND byte_size <= $1
        AND (byte_size, id) < ($1, $2)
        AND NOT (SELECT yes FROM times_are_short)
        AND (SELECT count(*) FROM page) < $6
    ORDER BY byte_size DESC, id DESC
    -- allow: offset-paging because it finds the last entry of the walk, which ends after so many
    LIMIT 1 OFFSET $7 - 1
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
