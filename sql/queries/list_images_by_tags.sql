-- list_images_by_tags: a page of the newest-first list of images with all the given tags, for GET /v1/images?tag=.
-- Two ways, each the worst where the other is best. First the newest-first list is walked: where the tags are common, a
-- page of them is soon together. If 10,000 images have no page of them, and are not all, the tags are looked up in
-- their index, and what has them is sorted: few images, as the walk has shown, if they are spread evenly. The planner
-- could not choose: it knows common tags alone, and under a generic plan none. OFFSET 0 keeps the look-up to one index.
-- $1 timestamptz, $2 uuid  the page ends before this position; 'infinity' or the like for the first page
-- $3 timestamptz           images later than this
-- $4 bigint                rows at most
-- $5 text[]                the tags; @> can use the GIN index, = ANY (tags) cannot
-- Index: images_created_at_id_idx, then images_tags_idx.
-- example a common tag: 'infinity', md5('')::uuid, '-infinity', 50, '{street}'
-- example a tag of 2 in 100: 'infinity', md5('')::uuid, '-infinity', 50, '{city-7}'
-- example a rare tag: 'infinity', md5('')::uuid, '-infinity', 50, '{eclipse}'
-- example a tag of the long tail: 'infinity', md5('')::uuid, '-infinity', 50, '{place-7}'
-- example a tag of the oldest: 'infinity', md5('')::uuid, '-infinity', 50, '{archive}'
-- example no such tag: 'infinity', md5('')::uuid, '-infinity', 50, '{none}'
-- example two tags: 'infinity', md5('')::uuid, '-infinity', 50, '{street,night}'
-- example two tags that never meet: 'infinity', md5('')::uuid, '-infinity', 50, '{eclipse,archive}'
-- example the last pages: '2020-01-01 08:00Z', md5('image 960')::uuid, '-infinity', 50, '{street}'
-- example a window: '2020-01-01 08:00Z', md5('image 960')::uuid, '2020-01-01 04:00Z', 50, '{street}'
-- example no match: '2019-01-01Z', md5('image 1')::uuid, '-infinity', 50, '{street}'
WITH recent AS MATERIALIZED (
    SELECT image, created_at, id
    FROM (
        SELECT images AS image, created_at, id, tags
        FROM images
        WHERE (created_at, id) < ($1, $2)
            AND created_at > $3
        ORDER BY created_at DESC, id DESC
        LIMIT 10000
    ) AS walked
    WHERE tags @> $5
    LIMIT $4
),

tags_are_rare (yes) AS MATERIALIZED (
    SELECT
        CASE
            WHEN (SELECT count(*) FROM recent) = $4 THEN false
            ELSE EXISTS (
                SELECT
                FROM images
                WHERE (created_at, id) < ($1, $2)
                    AND created_at > $3
                ORDER BY created_at DESC, id DESC
                LIMIT 1 OFFSET 10000
            )
        END
),

page AS (
    SELECT image, created_at, id
    FROM recent
    WHERE NOT (SELECT yes FROM tags_are_rare)

    UNION ALL

    SELECT image, created_at, id
    FROM (
        SELECT images AS image, created_at, id
        FROM images
        WHERE tags @> $5
        OFFSET 0
    ) AS tagged
    WHERE (SELECT yes FROM tags_are_rare)
        AND (created_at, id) < ($1, $2)
        AND created_at > $3
)

SELECT
    (image).id,
    (image).filename,
    (image).content_type,
    (image).byte_size,
    (image).width,
    (image).height,
    (image).sha256,
    (image).title,
    (image).description,
    (image).tags,
    (image).attributes,
    (image).created_at,
    (image).updated_at
FROM page
ORDER BY created_at DESC, id DESC
LIMIT $4;
