-- list_images_by_tags: a page of the newest-first list of images with all the given tags, for GET /v1/images?tag=.
-- Two ways, each the worst where the other is best. First the newest-first list is walked: where the tags are common, a
-- page of them is soon together. If 100 images for each one asked for are not enough, and not all, the tags are looked
-- up in their index, and what has them is sorted: few images, as the walk has shown, if they are spread evenly. Which
-- way it is turns out as it runs. The planner could not tell: statistics know common tags alone, a generic plan none.
-- OFFSET 0 keeps the position out of the look-up, for which the planner would read another index from end to end.
-- $1 timestamptz, $2 uuid  the page ends before this position; 'infinity' or the like for the first page
-- $3 timestamptz           images later than this
-- $4 bigint                rows at most
-- $5 text[]                the tags; @> can use the GIN index, = ANY (tags) cannot
-- Index: images_created_at_id_idx, then images_tags_idx. At a million rows a page of 50
-- takes 0.2 ms where the tag is common, 1.5 ms where 2 in 100 have it, 3 to 5 ms where few or none have. Not bounded:
-- a tag that many images have, but few of the newest from the position on, is sorted in full, 1.6 ms for each 1,000.
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
        LIMIT 100 * $4::bigint
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
                LIMIT 1 OFFSET 100 * $4
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
