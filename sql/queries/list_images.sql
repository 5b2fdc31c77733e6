-- list_images: returns a page of the newest-first list, for GET /v1/images.
-- The position is compared as a row. With OR, PostgreSQL would read the index from its beginning.
-- $1 timestamptz, $2 uuid  the page ends before this position; 'infinity' or similar for the first page
-- $3 timestamptz           only images of this time or later
-- $4 bigint                maximum of rows
-- Index: images_created_at_id_idx, backwards from the position on, as many entries as the page has.
-- example first page: 'infinity', md5('')::uuid, '-infinity', 50
-- example the last pages: '2020-01-01 08:00Z', md5('image 960')::uuid, '-infinity', 50
-- example a window: '2020-01-01 08:00Z', md5('image 960')::uuid, '2020-01-01 04:00Z', 50
-- example no match: '2019-01-01Z', md5('image 1')::uuid, '-infinity', 50
SELECT row_to_json(image) AS image
FROM (
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
    WHERE (created_at, id) < ($1, $2)
        AND created_at >= $3
    ORDER BY created_at DESC, id DESC
    LIMIT $4
) AS image
ORDER BY created_at DESC, id DESC;
