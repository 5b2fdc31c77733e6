-- forget_locations: removes the positions of a page of images, oldest first, for `images backfill capture` with
-- LOCATION=strip. It returns the last place of the page, and no row after the last page.
-- $1 timestamptz, $2 uuid  the page begins after this place; '-infinity' or similar for the first page
-- $3 bigint                maximum of rows that are read
-- Index: images_created_at_id_idx, as many entries as the page has; images_pkey for each image with a position.
-- example first page: '-infinity', md5('')::uuid, 50
-- example no more: 'infinity', md5('')::uuid, 50
WITH page AS (
    SELECT created_at, id, location
    FROM images
    WHERE (created_at, id) > ($1, $2)
    ORDER BY created_at, id
    LIMIT $3
),

forgotten AS (
    UPDATE images
    SET
        location = NULL,
        updated_at = GREATEST(clock_timestamp(), images.updated_at + interval '1 microsecond')
    -- Not a join: of an unknown number of rows, PostgreSQL 15 and 16 expect so many that they would read the whole table.
    WHERE id = ANY (ARRAY(SELECT page.id FROM page WHERE page.location IS NOT NULL))
    RETURNING images.id
)

SELECT
    created_at,
    id,
    (SELECT count(*) FROM forgotten) AS forgotten
FROM page
ORDER BY created_at DESC, id DESC
LIMIT 1;
