-- list_images_by_name: returns a page of the list by name, for GET /v1/images?sort=name.
-- There are two ways, and each is slow if the other is fast. If the period has fewer than 200 images for each image of
-- the page, it reads them and sorts them. Otherwise it walks the images in their order, and skips those outside the
-- period. The statement decides while it runs.
-- The walk ends after $8 index entries. If the page is not full by then, the last row has no image, only the position at
-- which the next page continues. So a page can have few images, or none, and a next page.
-- OFFSET 0 keeps the conditions out of a look-up. The condition created_at <= $4 follows from the next line, and tells
-- the planner that the period is narrow. Otherwise it would scan another index in full.
-- The bounds of the name, within which all images are, tell the planner that the walk is short. Otherwise it would sort
-- the whole table if VACUUM has not run for long.
-- $1 text, $2 uuid         the page begins after this position; '' for the first page
-- $3 timestamptz           only images of this time or later
-- $4 timestamptz, $5 uuid  and before this position in time; 'infinity' or similar for no limit
-- $6 bigint                maximum of rows
-- $7 text                  a text that sorts after every name
-- $8 bigint                maximum of index entries that the walk reads
-- Index: images_created_at_id_idx for short periods, images_filename_id_created_at_idx for others. images_pkey for each
-- image. Bounded by $8: of the skipped images, only index entries are read, twice if the page is not full.
-- A page of a window that the walk reaches late takes 28 ms of CPU at a million images, and 34 ms at ten million. Without
-- the bound, it took 0.28 s and 2.9 s.
-- example first page: '', md5('')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 'zzz', 50000
-- example the last pages: 'IMG_9998.jpg', md5('image 960')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 'zzz', 50000
-- example a long window: '', md5('')::uuid, '2020-03-01Z', '2020-09-01Z', md5('')::uuid, 50, 'zzz', 50000
-- example a late window: '', md5('')::uuid, '2020-12-01Z', 'infinity', md5('')::uuid, 50, 'zzz', 50000
-- example a window: '', md5('')::uuid, '2020-01-01 04:00Z', '2020-01-01 08:00Z', md5('')::uuid, 50, 'zzz', 50000
-- example no match: 'z', md5('image 1')::uuid, '-infinity', 'infinity', md5('')::uuid, 50, 'zzz', 50000
-- example no such time: '', md5('')::uuid, '2040-01-01Z', '2041-01-01Z', md5('')::uuid, 50, 'zzz', 50000
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
    SELECT name, id
    FROM (
        SELECT filename COLLATE "C" AS name, id
        FROM images
        WHERE created_at >= $3
            AND created_at <= $4
            AND (created_at, id) < ($4, $5)
            AND (SELECT yes FROM times_are_short)
        OFFSET 0
    ) AS of_these_times
    WHERE (name, id) > ($1, $2)

    UNION ALL

    SELECT name, id
    FROM (
        SELECT name, id
        FROM (
            SELECT filename COLLATE "C" AS name, id, created_at
            FROM images
            WHERE filename COLLATE "C" >= $1
                AND filename COLLATE "C" <= $7
                AND (filename COLLATE "C", id) > ($1, $2)
                AND NOT (SELECT yes FROM times_are_short)
            ORDER BY name, id
            LIMIT $8::bigint
        ) AS named
        WHERE created_at >= $3
            AND (created_at, id) < ($4, $5)
        ORDER BY name, id
        LIMIT $6
    ) AS walked
    ORDER BY name, id
    LIMIT $6
),

stopped AS (
    SELECT filename COLLATE "C" AS name, id
    FROM images
    WHERE filename COLLATE "C" >= $1
        AND filename COLLATE "C" <= $7
        AND (filename COLLATE "C", id) > ($1, $2)
        AND NOT (SELECT yes FROM times_are_short)
        AND (SELECT count(*) FROM page) < $6
    ORDER BY name, id
    -- allow: offset-paging because it finds the last entry of the walk, which ends after so many
    LIMIT 1 OFFSET $8 - 1
)

SELECT
    row_to_json(image) AS image,
    page.name,
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

SELECT NULL AS image, name, id
FROM stopped
ORDER BY name, id;
