-- list_images_by_content_type: a page of the newest-first list of one media type, for GET /v1/images?content_type=.
-- The position is compared as a row: written with OR it would read the index from its beginning.
-- $1 timestamptz, $2 uuid  the page ends before this position; 'infinity' or the like for the first page
-- $3 timestamptz           images later than this
-- $4 bigint                rows at most
-- $5 text                  the media type
-- Index: images_content_type_created_at_id_idx, read from the position on, as many entries as the page has.
-- = ANY, and content_type in ORDER BY, because no other index has that order: for a type that is taken for common the
-- planner would else walk images_created_at_id_idx, past all images where only old ones are of the type.
-- example a common type: 'infinity', md5('')::uuid, '-infinity', 50, 'image/jpeg'
-- example a rare type: 'infinity', md5('')::uuid, '-infinity', 50, 'image/avif'
-- example a type of the oldest: 'infinity', md5('')::uuid, '-infinity', 50, 'image/tiff'
-- example no such type: 'infinity', md5('')::uuid, '-infinity', 50, 'image/gif'
-- example the last pages: '2020-01-01 08:00Z', md5('image 960')::uuid, '-infinity', 50, 'image/jpeg'
-- example a window: '2020-01-01 08:00Z', md5('image 960')::uuid, '2020-01-01 04:00Z', 50, 'image/jpeg'
-- example no match: '2019-01-01Z', md5('image 1')::uuid, '-infinity', 50, 'image/jpeg'
SELECT
    id,
    filename,
    content_type,
    byte_size,
    width,
    height,
    sha256,
    title,
    description,
    tags,
    attributes,
    created_at,
    updated_at
FROM images
WHERE (created_at, id) < ($1, $2)
    AND created_at > $3
    AND content_type = ANY (ARRAY[$5])
ORDER BY content_type, created_at DESC, id DESC
LIMIT $4;
